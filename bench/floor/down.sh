#!/bin/bash
# Takes away what up.sh made.
set -euo pipefail
exec /usr/bin/python3 "$(dirname "$0")/floor.py" down
