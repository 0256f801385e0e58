#!/bin/bash
# Starts PostgreSQL, and makes its data folder first where there is none. Nothing listens on the network until that is done.
# POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB, POSTGRES_INITDB_ARGS and POSTGRES_HOST_AUTH_METHOD mean what they mean to the
# official image; each may be a file instead: POSTGRES_PASSWORD_FILE.
set -euo pipefail
shopt -s nullglob dotglob

fail() { echo "postgresql: $*" >&2; exit 1; }

# from_file NAME DEFAULT
from_file() {
  local file_name="$1_FILE"
  [ -z "${!1:-}" ] || [ -z "${!file_name:-}" ] || fail "$1 and $file_name are both set: choose one"
  if [ -n "${!file_name:-}" ]; then
    [ -r "${!file_name}" ] || fail "$file_name names ${!file_name}, which cannot be read"
    printf -v "$1" '%s' "$(<"${!file_name}")"
  else
    printf -v "$1" '%s' "${!1:-$2}"
  fi
  unset "$file_name"
}

[ "${1:-}" = postgres ] || [ "${1#-}" = "$1" ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
  # Secrets are for root alone to read; what is read here goes on as a variable, and the server does not get it.
  from_file POSTGRES_PASSWORD ''
  export POSTGRES_PASSWORD
  mkdir -p "$PGDATA" /run/postgresql
  # The top folder only: what is in it is the server's own already.
  chown postgres:postgres "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

# initdb works beside the place where the data will be, so that a start that was cut off leaves no half of it behind.
new="$PGDATA/.new"

initialise() {
  from_file POSTGRES_PASSWORD ''
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  from_file POSTGRES_INITDB_ARGS ''
  local method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  [ -n "$POSTGRES_PASSWORD" ] || [ "$method" = trust ] ||
    fail 'set POSTGRES_PASSWORD, or POSTGRES_PASSWORD_FILE, for the first start'
  mkdir -m 700 "$new"
  local words=(-D "$new" --username="$POSTGRES_USER" --encoding=UTF8 --locale=C.UTF-8 --auth-host="$method")
  # shellcheck disable=SC2086
  if [ -n "$POSTGRES_PASSWORD" ]; then
    initdb "${words[@]}" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") $POSTGRES_INITDB_ARGS
  else
    initdb "${words[@]}" $POSTGRES_INITDB_ARGS
  fi
  printf "\nlisten_addresses = '*'\n" >>"$new/postgresql.conf"
  printf '\nhost all all all %s\n' "$method" >>"$new/pg_hba.conf"
  pg_ctl -D "$new" -w -t 300 -o "-c listen_addresses='' -c unix_socket_directories=/run/postgresql" start
  local psql=(psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --host=/run/postgresql --username="$POSTGRES_USER")
  if [ "$POSTGRES_DB" != postgres ]; then
    "${psql[@]}" --dbname=postgres --set=db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    echo "postgresql: runs $file"
    case $file in
      *.sh) POSTGRES_USER=$POSTGRES_USER POSTGRES_DB=$POSTGRES_DB bash "$file" ;;
      *.sql) "${psql[@]}" --dbname="$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) gunzip -c "$file" | "${psql[@]}" --dbname="$POSTGRES_DB" ;;
      *) echo "postgresql: leaves $file out: neither .sh nor .sql" ;;
    esac
  done
  pg_ctl -D "$new" -m fast -w -t 300 stop
  local entry
  for entry in "$new"/*; do [ "${entry##*/}" = PG_VERSION ] || mv "$entry" "$PGDATA/"; done
  sync
  # Last: from here on there is a data folder.
  mv "$new/PG_VERSION" "$PGDATA/"
  rmdir "$new"
  sync
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -d "$new" ]; then
    echo 'postgresql: an earlier first start was cut off; begins anew'
    rm -rf "$PGDATA"/*
  fi
  for entry in "$PGDATA"/*; do
    [ "${entry##*/}" = lost+found ] || fail "$PGDATA holds ${entry##*/} and no PG_VERSION: this is no data folder of PostgreSQL"
  done
  initialise
fi
rmdir "$new" 2>/dev/null || true
have=$(<"$PGDATA/PG_VERSION")
[ "$have" = "$PG_MAJOR" ] || fail "the data is of PostgreSQL $have and this is $PG_MAJOR: it is brought over by dump and restore"
unset POSTGRES_PASSWORD POSTGRES_INITDB_ARGS
exec "$@"
