"""Several processes, as `accelerate launch` starts them; here two on one CPU."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from accelerate import PartialState
from semreward.adaptation import AdaptationConfig, adapt_encoder, read_pairs

base, out, data = sys.argv[1:]
pairs = read_pairs(data)
options = {'batch_size': 8, 'epochs': 4, 'learning_rate': 5e-3, 'measure_steps': 6, 'patience': 9, 'use_cpu': True}
config = AdaptationConfig(base, out, **options)
adaptation = adapt_encoder(config, pairs[12:], pairs[:12])
steps = max(point["step"] for point in adaptation.curve)
print(f"result {PartialState().num_processes} {steps} {adaptation.encoder.fingerprint}", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif("SEMREWARD_SLOW" not in os.environ, reason="slow: set SEMREWARD_SLOW=1")
def test_two_processes_share_the_steps_and_end_with_one_encoder(encoder_folder, captions, tmp_path):
    data = tmp_path / "pairs.tsv"
    data.write_text("".join(f"{anchor}\t{positive}\n" for anchor, positive in captions), encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    arguments = [str(encoder_folder), str(tmp_path / "out"), str(data)]
    done = subprocess.run([*launch, str(script), *arguments], capture_output=True, text=True, check=True)
    results = [line.partition("result ")[2] for line in done.stdout.splitlines() if "result " in line]
    assert len(results) == 2
    assert results[0] == results[1]
    assert results[0].startswith("2 12 ")  # 48 pairs, 2 processes of 8 pairs a step, 4 epochs
