"""Memory that was freed is used again, whatever the size of the tensors."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import torch
from metanas.base.allocator import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

torch.set_num_threads(1)
{first}
found = []
for _ in range(20):
    before = faults()
    numbers = torch.ones({numbers})
    del numbers
    found.append(faults() - before)
print(sum(found[10:]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_a_freed_tensors_memory_comes_back_without_page_faults() -> None:
    def faults(first: str, mebibytes: int) -> int:
        program = PROGRAM.format(first=first, numbers=mebibytes * 2**18)
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return int(ended.stdout)

    assert faults("", 100) > 200  # what it is there for; with huge pages it is 50 each time
    assert faults("keep_freed_memory()", 100) < 50
    assert faults("keep_freed_memory()", 2) < 50
