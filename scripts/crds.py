"""Prints crds/marketfeeds.yaml: the CRD that marketfeed/resource.py gives. `make docs` writes it, a test compares it."""

from __future__ import annotations

import sys

from marketfeed_operator.crd import dumps

if __name__ == "__main__":
    sys.stdout.write(dumps())
