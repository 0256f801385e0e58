#!/bin/sh
# `npm test`: sets the machine up, then runs the checks and every test. With arguments, only test files whose path
# has one of them in it: `npm test -- unit/runner`. Never installs anything without saying so first (setup.sh does).
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh test
exec node --import tsx test/run.ts "$@"
