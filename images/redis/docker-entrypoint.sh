#!/bin/bash
# Starts Redis with the arguments that are given, such as --requirepass, or with a file of settings. It runs as the user redis and
# keeps its data in /data.
set -euo pipefail

if [ "${1#-}" != "${1:-}" ] || [ "${1%.conf}" != "${1:-}" ]; then set -- redis-server "$@"; fi
[ "${1:-}" = redis-server ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
  # The top folder only: what is in it is the server's own already.
  chown redis:redis .
  exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi
umask 0077
# As in the official image: the network decides who may come, and a password is asked for where one is set.
case " $* " in
  *' --protected-mode '* | *.conf\ *) exec "$@" ;;
  *) exec "$@" --protected-mode no ;;
esac
