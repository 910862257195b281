"""Read exported folders with Harbor's own models and its viewer; run by the Python of Harbor's environment.

`harbor_viewer.py FOLDER`: prints the number of trials of each job, as JSON on its last line.
"""

import json
import sys
from pathlib import Path

from fastapi.testclient import TestClient
from harbor.models.trajectories import Trajectory
from harbor.models.trial.config import TrialConfig
from harbor.models.trial.result import TrialResult
from harbor.viewer.server import create_app

PARTS = ("trajectory", "verifier-output", "files", "agent-logs", "artifacts")


def checked(client, job, folder):
    """Number of the job's trials, of which each is read as a file and through the viewer."""
    assert client.get(f"/api/jobs/{job}").json()["n_total_trials"] > 0
    assert client.get(f"/api/jobs/{job}/config").status_code == 200
    listed = client.get(f"/api/jobs/{job}/trials").json()["items"]
    trials = [path for path in (folder / job).iterdir() if path.is_dir()]
    assert sorted(trial["name"] for trial in listed) == sorted(path.name for path in trials)
    for path in trials:
        TrialConfig.model_validate_json((path / "config.json").read_text())
        text = (path / "agent" / "trajectory.json").read_text()
        assert Trajectory.model_validate_json(text).to_json_dict() == json.loads(text)
        shown = client.get(f"/api/jobs/{job}/trials/{path.name}")
        reward = json.loads((path / "verifier" / "reward.json").read_text())
        assert TrialResult.model_validate(shown.json()).verifier_result.rewards == reward
        for part in PARTS:
            assert client.get(f"/api/jobs/{job}/trials/{path.name}/{part}").status_code == 200
    return len(trials)


def main(folder):
    client = TestClient(create_app(folder, mode="jobs"), base_url="http://127.0.0.1")
    jobs = [job["name"] for job in client.get("/api/jobs").json()["items"]]
    assert sorted(jobs) == sorted(path.name for path in folder.iterdir())
    print(json.dumps({job: checked(client, job, folder) for job in jobs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
