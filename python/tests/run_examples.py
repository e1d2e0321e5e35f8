"""Runs the Python examples of documents (.md) and notebooks (.ipynb), each in a directory of its own.

Arguments: the files. The lab is found as `tomatolab.Lab()` finds it.
"""

import json
import os
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))


def cells(path):
    """The pieces of code with the line each begins at."""
    text = path.read_text()
    if path.suffix == ".ipynb":
        for number, cell in enumerate(json.loads(text)["cells"]):
            if cell["cell_type"] == "code":
                yield number, "".join(cell["source"])
        return
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
        yield text.count("\n", 0, found.start(1)), found.group(1)


def main():
    for name in sys.argv[1:]:
        path = pathlib.Path(name).resolve()
        home = os.getcwd()
        with tempfile.TemporaryDirectory() as directory:
            os.chdir(directory)
            scope = {"__name__": "__main__"}
            count = 0
            try:
                for line, code in cells(path):
                    print("== %s:%d" % (path.name, line), flush=True)
                    exec(compile("\n" * line + code, str(path), "exec"), scope)
                    count += 1
            finally:
                os.chdir(home)
            if not count:
                sys.exit("%s has no examples" % path)


main()
