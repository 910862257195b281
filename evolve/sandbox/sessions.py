"""End what an agent still runs in its container, and leave the services that it started.

The rule is that of a terminal that hangs up. What ends: the commands in progress with all their descendants, and every
process in a session of the agent's shells. What stays: a process that left these sessions (a daemon, `setsid`), or that
lives on after a hang-up because it ignores or handles SIGHUP (`nohup`).
"""

from __future__ import annotations

from collections.abc import Collection

from evolve.core.errors import InfraError
from evolve.core.records import Cause
from evolve.sandbox import exit_cause
from evolve.sandbox.container import Container
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.inside import ROOT

# SIGHUP is the lowest bit of a process's masks. Where the engine itself ignores it, so do all processes in containers,
# and ignoring it says nothing. Stopped processes start no others, so that later scans find all.
END_SCRIPT = """
sessions=' {sessions} '; doomed=; deaf=no
case $(while read -r key value; do [ "$key" = SigIgn: ] && echo "$value"; done </proc/$$/status) in
  *[13579bdf]) deaf=yes ;;
esac
scan() {{
  again=yes
  while [ $again = yes ]; do
    again=no
    for path in /proc/[0-9]*; do
      pid=${{path##*/}}
      case " 1 $$ $doomed " in *" $pid "*) continue ;; esac
      parent=; session=; stays=no
      while read -r key value _; do
        case $key in
          PPid:) parent=$value ;;
          NSsid:) session=$value ;;
          SigIgn:) case $value in *[13579bdf]) [ $deaf = yes ] || stays=yes ;; esac ;;
          SigCgt:) case $value in *[13579bdf]) stays=yes ;; esac; break ;;
        esac
      done <$path/status
      ends=no
      case "$sessions" in *" $session "*) [ $stays = no ] || [ "$parent" = 0 ] && ends=yes ;; esac
      case " $doomed " in *" $parent "*) ends=yes ;; esac
      [ $ends = no ] || {{ doomed="$doomed $pid"; again=yes; }}
    done
  done
}}
for signal in STOP STOP KILL; do
  scan
  for pid in $doomed; do kill -$signal $pid; done
done 2>/dev/null
exit 0
"""


def end_sessions(container: Container, sessions: Collection[int], user: str = ROOT) -> None:
    """End the processes of these sessions in a container, but not the services.

    If the container's limits leave no room for that, the whole container is stopped.

    Args:
        user: Whose processes end: root's may be all, but root has no power over others in a strict suite.

    Raises:
        InfraError: The engine failed.
    """
    with engine_faults():
        if not exit_cause.inspect_state(container.client, container.id)["Running"]:
            return
    if _run_end_script(container, sessions, user) != 0:
        container.stop()


def _run_end_script(container: Container, sessions: Collection[int], user: str) -> int | None:
    """The script's exit status; None if it has no end, or no process can be started in a container that is full."""
    script = END_SCRIPT.format(sessions=" ".join(map(str, sorted(sessions))))
    try:
        with engine_faults():
            return exit_cause.run_with_deadline(container.client, container.id, ["sh", "-c", script], user)
    except InfraError:
        if container.cause() is Cause.NONE:
            raise
        return None
