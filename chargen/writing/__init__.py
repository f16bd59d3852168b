"""The writer's loop: a text, its versions, and a model that proposes how it goes on."""
