#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent with 10,000 pods and 1,000 policies: memory, and event → committed transaction. See scale.py.
set -euo pipefail
exec unshare -n -m "$(dirname "$0")/scale.py" "$HOLDFAST_BUILD"
