"""The tests of this folder against a cluster: suite.py BOOTSTRAP [REGEX].

Every function `test_*` of the modules below is a test; it gets the bootstrap addresses and raises
when something is not as with Apache Kafka. Prints the events of `go test -json`.
"""

import asyncio
import importlib
import inspect
import json
import re
import sys
import time
import traceback

MODULES = ["admin", "groups", "produce", "aio"]


def event(action, test, **more):
    print(json.dumps({"Action": action, "Test": test, **more}), flush=True)


def main():
    bootstrap = sys.argv[1]
    wanted = re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
    for module in map(importlib.import_module, MODULES):
        for name, function in vars(module).items():
            test = f"{module.__name__}/{name}"
            if not name.startswith("test_") or not wanted.search(test):
                continue
            event("run", test)
            started = time.monotonic()
            try:
                result = function(bootstrap)
                if inspect.iscoroutine(result):
                    asyncio.run(result)
                action = "pass"
            except Exception:  # Whatever it is, it is this test's failure.
                event("output", test, Output=traceback.format_exc())
                action = "fail"
            event(action, test, Elapsed=round(time.monotonic() - started, 2))


main()
