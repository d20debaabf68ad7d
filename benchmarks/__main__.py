"""`make bench`: every benchmark, one after another, each saying what it measured."""

from benchmarks import attack, search, training

if __name__ == "__main__":
    for benchmark in (attack, search, training):
        print(f"\n{benchmark.__doc__.splitlines()[0]}", flush=True)
        benchmark.main([])
