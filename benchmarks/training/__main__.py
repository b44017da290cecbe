"""Runs every benchmark of training; the last line is one JSON object of the figures."""

from benchmarks.figures import print_figures
from benchmarks.training import checkpointing, shared_cores, throughput, tokenizing

ASKED = (
    "tokens_vs_padded_set",
    "tokens_vs_trainer",
    "share_of_matmul",
    "tokenize_vs_encode_batch",
    "tokenize_memory_1m_vs_100k",
    "checkpoint_cost",
    "first_step_s",
    "share_under_load",
)

if __name__ == "__main__":
    print_figures(ASKED, (throughput, checkpointing, tokenizing, shared_cores))
