"""The writer's loop on a terminal: the text above, proposals side by side, two lines that tell."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from prompt_toolkit import Application
from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Always, Condition, Filter
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    FormattedTextControl,
    HSplit,
    Layout,
    VSplit,
    Window,
)
from prompt_toolkit.layout.processors import TabsProcessor
from prompt_toolkit.output import create_output
from prompt_toolkit.styles import Style

from chargen.writing.desk import PROPOSALS, Desk
from chargen.writing.wrapping import WordWrap, edge, moved, wrapped

LEAST = 8
"""Lines of the proposals, with their heading, at least; at most they have half of the screen."""

NARROW = 60
"""With fewer columns, the chosen proposal is shown alone."""

SURROGATE = re.compile("[\ud800-\udfff]")
"""What a byte that is no UTF-8 is read as."""

TEND = 2.0
"""Seconds after which a text that could not be saved is saved again."""

ESCAPE_WAIT = 0.1
"""Seconds to wait after an escape for what makes another key of it."""

STYLE = Style.from_dict(
    {"told": "reverse", "keys": "", "line": "ansibrightblack", "chosen": "bold", "trouble": "bold"}
)

WRITING = "Tab propose  ^T ^L temperature  ^Z ^Y undo, redo  ^O branch  ^G help  ^Q quit"
CHOOSING = "Enter take all  ↓ a word  → a character  Tab next  ^R others  Esc away  ^G help"
HELPING = "Ctrl-G or Esc: back to the text"

HELP = f"""\
Type freely; every change is saved at once.

Tab            {PROPOSALS} ways to go on from the cursor; again: choose the next
Enter          take the chosen one whole
Down, Right    take a word of it, or a character
Ctrl-R         others in their place
Esc            put them away; to type does that, too
Ctrl-T Ctrl-L  warmer, cooler: the temperature by 0.1
Ctrl-Z Ctrl-Y  undo, redo
Ctrl-O         the next branch: what was undone and written anew is kept as
               another branch, and stays in FILE.history
Ctrl-Q         quit; Ctrl-C does that, too

Bits per character say how surprising the text is to the model: the fewer,
the more it is like what the model learned from."""


class Screen:
    """Shows a desk, and does what its keys say.

    Args:
        desk: what is shown.
        model: its name.
    """

    def __init__(self, desk: Desk, model: str) -> None:
        self.desk, self.model = desk, model
        self.helping = self.warned = False
        # Since up or down was pressed first: the place then, the rows moved, the place now.
        self.climb: tuple[int, int, int] | None = None
        self.buffer = Buffer(
            document=Document(desk.text, desk.cursor),
            multiline=True,
            on_text_changed=self._edited,
            on_cursor_position_changed=self._edited,
        )
        self.app: Application[None] = Application(
            Layout(self._layout()),
            key_bindings=self._keys(),
            style=STYLE,
            full_screen=True,
            # On standard error if standard output goes to a file or to another program.
            output=create_output(sys.stdout if sys.stdout.isatty() else sys.stderr),
            min_redraw_interval=0.03,
        )
        self.app.ttimeoutlen = ESCAPE_WAIT
        desk.assistant.told = self.app.invalidate

    def run(self) -> None:
        """Let the writer write, until the writer quits or the process is told to end.

        Raises:
            Exception: what stopped the assistant, a defect.
        """
        self.app.run(pre_run=self._begin)
        if self.desk.assistant.error is not None:
            raise self.desk.assistant.error

    async def _tend(self) -> None:
        """Try again to save what could not be saved."""
        while True:
            await asyncio.sleep(TEND)
            manuscript = self.desk.manuscript
            if manuscript.trouble or manuscript.history_trouble:
                manuscript.save()
                self.app.invalidate()

    def _begin(self) -> None:
        """Tend the text; and if the process is told to end, leave the terminal as it was."""
        self.app.create_background_task(self._tend())
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGHUP"):
            with suppress(AttributeError, NotImplementedError):
                loop.add_signal_handler(getattr(signal, name), self._leave)

    def _leave(self) -> None:
        if self.app.is_running and not self.app.is_done:
            self.app.exit()

    def _edited(self, buffer: Buffer) -> None:
        text = buffer.text
        if SURROGATE.search(text):
            buffer.set_document(Document(SURROGATE.sub("\ufffd", text), buffer.cursor_position))
            return
        self.desk.edited(text, buffer.cursor_position)
        self.warned = False

    def _show(self) -> None:
        """Show the desk's text, after the desk has changed it."""
        if (self.buffer.text, self.buffer.cursor_position) != (self.desk.text, self.desk.cursor):
            self.buffer.set_document(Document(self.desk.text, self.desk.cursor))

    # What is seen

    def _layout(self) -> HSplit:
        helping, asked = Condition(lambda: self.helping), Condition(lambda: self.desk.asked)
        processors = [TabsProcessor(char1=" ", char2=" "), WordWrap()]
        text = Window(BufferControl(self.buffer, input_processors=processors), wrap_lines=True)
        return HSplit(
            [
                ConditionalContainer(text, ~helping),
                ConditionalContainer(Window(FormattedTextControl(HELP), wrap_lines=True), helping),
                ConditionalContainer(self._panel(), asked & ~helping),
                Window(FormattedTextControl(self._told), height=1, style="class:told"),
                Window(FormattedTextControl(self._offered), height=1, style="class:keys"),
            ]
        )

    def _panel(self) -> HSplit:
        columns: list[ConditionalContainer] = []
        for number in range(PROPOSALS):
            shown = self._shown(number)
            if number:
                line = Window(width=1, char="│", style="class:line")
                both = shown & Condition(lambda: not self._alone())
                columns.append(ConditionalContainer(line, both))
            column = HSplit(
                [
                    Window(FormattedTextControl(self._heading(number)), height=1),
                    Window(FormattedTextControl(self._proposed(number))),
                ]
            )
            columns.append(ConditionalContainer(column, shown))
        line = Window(height=1, char="─", style="class:line")
        return HSplit([line, VSplit(columns)], height=self._height)

    def _height(self) -> int:
        """Return how many lines the proposals get, with the line above and their headings."""
        wanted = [2 + len(self._lines(number)) for number in range(len(self.desk.proposals))]
        half = max(3, get_app().output.get_size().rows // 2)
        return min(half, max([LEAST, *wanted]))

    def _lines(self, number: int) -> list[str]:
        """Return a proposal as it is shown, line by line."""
        found = self.desk.proposals
        return wrapped(found[number].text, self._width()) if number < len(found) else []

    def _alone(self) -> bool:
        """Return whether only one proposal is shown."""
        narrow = get_app().output.get_size().columns < NARROW
        return narrow or len(self.desk.proposals) == 1

    def _shown(self, number: int) -> Condition:
        return Condition(lambda: number == self.desk.chosen if self._alone() else True)

    def _width(self) -> int:
        """Return the columns that a proposal has."""
        columns = get_app().output.get_size().columns
        return columns if self._alone() else (columns - PROPOSALS + 1) // PROPOSALS

    def _heading(self, number: int) -> Callable[[], StyleAndTextTuples]:
        def heading() -> StyleAndTextTuples:
            if number >= len(self.desk.proposals):
                return [("", "")]
            sign, style = (">", "class:chosen") if number == self.desk.chosen else (" ", "")
            found = self.desk.proposals[number]
            hidden = len(self._lines(number)) + 2 - self._height()
            more = "" if found.over else " …"
            if found.over and hidden > 0:
                more = f", {hidden} more lines"
            return [(style, f"{sign}{number + 1}  seed {found.seed}{more}")]

        return heading

    def _proposed(self, number: int) -> Callable[[], StyleAndTextTuples]:
        def proposed() -> StyleAndTextTuples:
            return [("", "\n".join(self._lines(number)))]

        return proposed

    def _told(self) -> StyleAndTextTuples:
        """Return the line with the figures, or with what is wrong."""
        manuscript, measured = self.desk.manuscript, self.desk.measured
        if manuscript.trouble:
            leave = " · ^Q again leaves" if self.warned else ""
            return [("class:trouble", f" NOT SAVED: {manuscript.trouble}{leave}")]
        if self.desk.assistant.error is not None:
            return [("class:trouble", " the model has stopped; the text is saved: quit by ^Q")]
        if manuscript.history_trouble:
            said = f" the text is saved, its history is not: {manuscript.history_trouble}"
            return [("class:trouble", said)]
        parts = [f" {manuscript.path.name}"]
        if measured is None:
            parts.append("reading")
        else:
            parts.append(f"{measured.words:,} words")
            parts.append(f"{len(measured.text):,} characters")
            parts.append(f"{measured.bits:.2f} bits/char")
        parts.append(f"temp {self.desk.temp:g}")
        branch, count = self.desk.history.branch
        if count > 1:
            parts.append(f"branch {branch}/{count}")
        parts.append(self.model)
        return [("", " · ".join(parts))]

    def _offered(self) -> StyleAndTextTuples:
        """Return the line with the keys, or with what the writer should know."""
        notice = self.desk.manuscript.notice
        if notice:
            return [("class:trouble", f" {notice} (Esc)")]
        keys = HELPING if self.helping else CHOOSING if self.desk.asked else WRITING
        return [("", f" {keys}")]

    # What is done

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        helping = Condition(lambda: self.helping)
        asked = Condition(lambda: self.desk.asked) & ~helping
        desk = self.desk

        def bind(key: str, action: Callable[[], None], when: Filter = ~helping) -> None:
            def act(_: KeyPressEvent) -> None:
                action()
                self._show()

            keys.add(key, eager=True, filter=when)(act)

        bind("tab", desk.propose)
        bind("s-tab", desk.back, asked)
        bind("enter", desk.take, asked)
        bind("down", desk.take_word, asked)
        bind("right", desk.take_character, asked)
        # Also when nothing is shown: otherwise Esc and a letter would be a command of Emacs.
        bind("escape", self._dismiss)
        bind("c-r", desk.others)
        bind("c-t", desk.warmer)
        bind("c-l", lambda: desk.warmer(-1))
        bind("c-z", desk.undo)
        bind("c-_", desk.undo)
        bind("c-y", desk.redo)
        bind("c-o", desk.other_branch)
        for key, steps in (("up", -1), ("down", 1)):
            bind(key, partial(self._move, steps), ~asked & ~helping)
        bind("home", partial(self._move_to_edge, False))
        bind("end", partial(self._move_to_edge, True))
        bind("enter", lambda: self.buffer.insert_text("\n"), ~asked & ~helping)
        bind("c-g", self._help, Always())
        bind("f1", self._help, Always())
        bind("escape", self._help, helping)
        for key in ("c-q", "c-c", "<sigint>"):
            bind(key, self._quit, Always())
        # While the help is shown, nothing else is done.
        bind("<any>", lambda: None, helping)
        return keys

    def _move(self, steps: int) -> None:
        """Go up or down by rows of the screen."""
        buffer, width = self.buffer, get_app().output.get_size().columns
        # Count from where it began, so that a shorter row between does not change the column.
        start, rows = buffer.cursor_position, steps
        if self.climb is not None and self.climb[2] == start:
            start, rows = self.climb[0], self.climb[1] + steps
        place = moved(buffer.text, start, width, rows)
        if place != start or not rows:
            self.climb = start, rows, place
            buffer.cursor_position = place

    def _move_to_edge(self, end: bool) -> None:
        width = get_app().output.get_size().columns
        place = edge(self.buffer.text, self.buffer.cursor_position, width, end=end)
        self.buffer.cursor_position = place

    def _dismiss(self) -> None:
        """Put away what is shown beside the text: proposals, and a notice."""
        self.desk.dismiss()
        self.desk.manuscript.notice = ""

    def _help(self) -> None:
        self.helping = not self.helping

    def _quit(self) -> None:
        """Quit; but if the text is not saved, only when asked for twice."""
        if self.desk.manuscript.trouble and not self.warned:
            self.desk.manuscript.save()
            self.warned = bool(self.desk.manuscript.trouble)
            if self.warned:
                return
        self._leave()
