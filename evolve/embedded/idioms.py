"""The proposer's prior knowledge: idioms of agent programming, some helpful, some neutral, some harmful."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.embedded import handling, showing
from evolve.embedded.showing import Finder


@dataclass(frozen=True)
class Idiom:
    """An idea: how it changes a scaffold, keywords of the weakness that it addresses, its hypothesis and prediction."""

    name: str
    find: Finder
    weakness: str
    hypothesis: str
    prediction: str


IDIOMS: tuple[Idiom, ...] = (
    Idiom(
        "revert_failed",
        handling.revert_failed,
        "failed edits piled up left in place not reverted",
        "Edits that did not help stay in the file and pile up, so later edits can't mend it: take them back.",
        "Trials that ended with several wrong edits in the file should pass; nothing should break.",
    ),
    Idiom(
        "test_after_edit",
        handling.test_after_edit,
        "never ran tests after last edit asking extra call per try",
        "The model spends a call on asking for the tests after each edit: run them within the edit tool.",
        "Twice as many edits fit into a trial; trials that gave up with steps used should pass.",
    ),
    Idiom(
        "more_steps",
        handling.more_steps,
        "gave up steps budget left calls unused",
        "The loop ends while there is budget left: allow more steps.",
        "Trials that ended without a fix should pass more often; each takes more calls.",
    ),
    Idiom(
        "whole_budget",
        handling.whole_budget,
        "gave up steps budget left calls unused",
        "A fixed number of steps wastes what is left: go on for as long as the budget allows.",
        "No trial ends with calls left but those that submit.",
    ),
    Idiom(
        "forget_history",
        showing.forget_history,
        "ended context_length_exceeded conversation history grew long",
        "The whole history is sent each time and outgrows the context: send the start and the latest turns.",
        "No trial ends with context_length_exceeded; a few may repeat what they forgot.",
    ),
    Idiom(
        "start_over",
        handling.start_over,
        "ended context_length_exceeded conversation history grew long",
        "A conversation that is too long ends the trial: start it over instead.",
        "No trial ends with context_length_exceeded.",
    ),
    Idiom(
        "longer_output",
        showing.longer_output,
        "tests output cut before exception failure detail shown characters",
        "Outputs are cut before the part that matters: show more of them.",
        "Edits fit the failure better; conversations grow longer.",
    ),
    Idiom(
        "tail_output",
        showing.tail_output,
        "tests output cut before exception failure detail shown characters",
        "The end of an output tells more than its start: cut the head, keep the tail.",
        "The model sees the exception; its edits should fit better.",
    ),
    Idiom(
        "line_numbers",
        showing.line_numbers,
        "edits replaced line text occurs several times wrong one line numbers",
        "The same line can stand in a file twice, and the wrong one is replaced: show and heed line numbers.",
        "Trials whose files repeat themselves should pass more often.",
    ),
    Idiom(
        "show_sources",
        showing.show_sources,
        "calls reading listing files before first edit read again source stale shown",
        "Calls go into reading files: show them with each request as they are now.",
        "Two or more calls a trial become edits; the model never works on a stale view.",
    ),
    Idiom(
        "remember_tried",
        showing.remember_tried,
        "same edit repeated tried again",
        "The model tries the same edit again: list what was tried with each request.",
        "No edit is repeated but by accident; long trials should pass more often.",
    ),
    Idiom(
        "refuse_repeat",
        handling.refuse_repeat,
        "same edit repeated tried again",
        "The model tries the same edit again: refuse it, and ask for another.",
        "Repeated edits cost no run of the tests; other trials stay as they are.",
    ),
    Idiom(
        "rank_lines",
        showing.rank_lines,
        "edits spread scattered lines no hint where fault",
        "Nothing tells the model where the fault is: rank the lines by which tests run them.",
        "Edits move to lines that only failing tests run; most trials need fewer tries.",
    ),
    Idiom(
        "retry_malformed",
        handling.retry_malformed,
        "ended malformed tool call arguments JSON scaffold_error crash",
        "A tool call that can't be read ends the trial: tell the model and go on.",
        "No trial ends with a JSON error.",
    ),
    Idiom(
        "refuse_early_submit",
        handling.refuse_early_submit,
        "submitted although tests failed early without having run",
        "The work is handed in while tests fail: run them first, and refuse if they do.",
        "Trials that gave up early go on and pass more often.",
    ),
    Idiom(
        "check_syntax",
        handling.check_syntax,
        "edits left syntax error",
        "Edits that break the syntax are written and cost a test run: check them first.",
        "No file is left that doesn't parse.",
    ),
    Idiom(
        "stop_when_passing",
        handling.stop_when_passing,
        "tests passing after edit hidden failed",
        "The model goes on after the tests passed and may break the fix: stop at the first success.",
        "Fewer calls where the tests passed; no trial gets worse.",
    ),
    Idiom(
        "colder",
        showing.colder,
        "edits spread scattered lines hidden failed",
        "The model's choices are too random: lower the temperature.",
        "Likelier edits come first; hard faults may need more tries.",
    ),
    Idiom(
        "warmer",
        showing.warmer,
        "same edit repeated tried again",
        "The model is stuck on the same ideas: raise the temperature.",
        "Fewer repeated edits; faults in unlikely places are found.",
    ),
    Idiom(
        "plan_first",
        showing.plan_first,
        "edited before seen test output spread scattered",
        "The model edits before it has thought: ask for a plan first.",
        "First edits fit better.",
    ),
    Idiom(
        "exhort",
        showing.exhort,
        "gave up early no tool call wrong",
        "The model does not try hard enough: ask it to be thorough.",
        "Fewer trials end early.",
    ),
    Idiom(
        "persona",
        showing.persona,
        "wrong edits failed hidden",
        "The model should know that it is an expert.",
        "Edits are of a better kind.",
    ),
    Idiom(
        "stop_early",
        handling.stop_early,
        "ran out time took long slow used whole budget conversation grew",
        "Trials that have gone on for long are lost anyway: end them.",
        "Trials are cheaper and none ends with context_length_exceeded; few passes are lost.",
    ),
    Idiom(
        "shorter_output",
        showing.shorter_output,
        "context_length_exceeded conversation history grew long slow",
        "Outputs fill the context: show less of them.",
        "No trial ends with context_length_exceeded.",
    ),
    Idiom(
        "trim_source",
        showing.trim_source,
        "context_length_exceeded conversation history grew long file",
        "Sources fill the context: show their start only.",
        "No trial ends with context_length_exceeded; faults near a file's end may be missed.",
    ),
    Idiom(
        "keep_progress",
        handling.keep_progress,
        "fewer tests fail than before partial progress lost",
        "An edit that makes fewer tests fail is progress: keep it.",
        "Faults in two places should be mended step by step.",
    ),
    Idiom(
        "hand_in_soon",
        handling.hand_in_soon,
        "ran out time took long slow used whole budget",
        "After the first edit that was applied there is little to gain: hand it in.",
        "Trials take a third of the calls.",
    ),
)
