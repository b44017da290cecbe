"""One rank that torchrun starts, with the store in a folder: ``FOLDER STORE`` are its arguments."""

import sys
from pathlib import Path
from typing import Final

import torch
import torch.distributed as dist

from benchmarks.gpu.folder_store import FolderStore, NoTracking
from infra.torchrun import end_with_parent
from tasks.training.rank_process import train_as_rank

BACKEND_FILE: Final = "backend.txt"
NUMBERS: Final = 1_000_000


def main() -> None:
    """Add numbers up over all ranks, then train as the folder's job says."""
    end_with_parent()
    folder, store = Path(sys.argv[1]), Path(sys.argv[2])
    on_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    numbers = torch.arange(NUMBERS, dtype=torch.float32, device="cuda" if on_gpu else "cpu")
    dist.all_reduce(numbers)
    right = bool((numbers.cpu() == torch.arange(NUMBERS) * dist.get_world_size()).all())
    told = f"{dist.get_backend()} {dist.get_world_size()} {'right' if right else 'wrong'}"
    dist.destroy_process_group()
    (folder / BACKEND_FILE).write_text(told, encoding="utf-8")
    train_as_rank(folder, FolderStore(store), NoTracking())


if __name__ == "__main__":
    main()
