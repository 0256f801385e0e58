#!/bin/sh
# Starts the databases of an installation, one after another, when the controller does not: start-databases.sh STATE-FOLDER.
# Run by holdfast-databases.service at each boot. It only looks on while their number grows. As long as it grows, or none is left, the
# controller is at work, which also asks each one whether it answers; here nobody can, so that they are started ten seconds apart.
set -u
state=$1

ours() {
  docker ps -aq --filter label=dev.holdfast.kind=Addon --filter "label=dev.holdfast.state=$state" "$@"
}

# Those that were stopped on purpose, or that a newer container replaces, have the policy no.
standing() {
  for id in $(ours --filter status=exited); do
    policy=$(docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' "$id") || continue
    [ "$policy" = on-failure ] && echo "$id"
  done
}

# A server that reads much at its start holds up a controller that is alive; one that is not is not waited for so long.
patience() {
  if systemctl is-active --quiet holdfast.service; then echo 300; else echo 60; fi
}

before=none quiet=0
while [ "$quiet" -lt "$(patience)" ]; do
  [ -n "$(standing)" ] || exit 0
  now=$(ours --filter status=running | sort)
  if [ "$now" = "$before" ]; then quiet=$((quiet + 5)); else quiet=0; fi
  before=$now
  sleep 5
done

for id in $(standing); do
  echo "nobody started $(docker inspect -f '{{.Name}}' "$id"): starting it"
  docker start "$id" >/dev/null && sleep 10
done
