"""What several modules of this folder share."""

import logging
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch


@pytest.fixture
def unchanged_process():
    """For rewards that change their process: put back what they change."""
    folder, threads, dtype = Path.cwd(), torch.get_num_threads(), torch.get_default_dtype()
    with mock.patch.dict(os.environ), torch.set_grad_enabled(True), torch.random.fork_rng(devices=[]), np.errstate():
        yield
    logging.disable(logging.NOTSET)
    os.chdir(folder)
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)
