#!/bin/sh
# Starts the databases of an installation where the controller does not: start-databases.sh STATE-FOLDER. Run by holdfast-databases.service.
#
# Docker starts no database, since it would start all at once. The controller starts them one after another and asks each whether it answers.
# As long as it is alive this only looks on. When it has not been for a minute, what stands still is started, ten seconds apart.
set -u
state=$1
controller=holdfast.service
every=15 patience=60

# Alive is what runs and is the same process as at the look before: one that ends again and again is not.
life() {
  systemctl is-active --quiet "$controller" && systemctl show --property InvocationID --value "$controller"
}

ours() {
  docker ps "$@" --filter label=dev.holdfast.kind=Addon --filter "label=dev.holdfast.state=$state" \
    --format '{{.Names}} {{.Label "dev.holdfast.name"}}' 2>/dev/null
}

# The container that has the Addon's own name, where none of that Addon runs: an upgrade has others, on the same data.
standing() {
  running=" $(ours --filter status=running | cut -d ' ' -f 2 | tr '\n' ' ')"
  ours --filter status=exited | while read -r container addon; do
    [ "$container" = "holdfast-addon-$addon" ] || continue
    case "$running" in *" $addon "*) ;; *) echo "$container" ;; esac
  done
}

before='' waited=0
while sleep "$every"; do
  now=$(life)
  if [ -n "$now" ] && [ "$now" = "$before" ]; then waited=0; else waited=$((waited + every)); fi
  before=$now
  [ "$waited" -ge "$patience" ] || continue
  for container in $(standing); do
    echo "the controller is away: starting $container"
    docker start "$container" >/dev/null && sleep 10
  done
done
