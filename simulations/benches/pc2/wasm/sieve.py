"""The sieve in wasmtime: compiled once, then for each line of input that many rounds; prints how many nanoseconds each call took."""

import sys
import time

import wasmtime

store = wasmtime.Store()
module = wasmtime.Module.from_file(store.engine, sys.argv[1])
sieve = wasmtime.Instance(store, module, []).exports(store)["sieve"]
for line in sys.stdin:
    began = time.perf_counter_ns()
    primes = sieve(store, int(line))
    took = time.perf_counter_ns() - began
    assert primes == 78498, primes
    print(took, flush=True)
