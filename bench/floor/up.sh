#!/bin/bash
# What the blog stack cannot be had without, and nothing else: the slower of two things that need not wait for each
# other, started at the same moment.
set -euo pipefail
exec /usr/bin/python3 "$(dirname "$0")/floor.py" up
