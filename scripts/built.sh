# Sourced with ROOT set: installs what is missing, builds what changed, goes to ROOT, and sets NODE. Ends the script when one of them fails.
# shellcheck shell=sh
cd "$ROOT" || exit 1
sh scripts/setup.sh || exit 1
. "$ROOT/bin/find-node.sh"
find_node
