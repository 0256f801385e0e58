#!/bin/bash
# Starts MariaDB, and makes its data folder first where there is none. Nothing listens on the network until that is done.
# MARIADB_ROOT_PASSWORD, MARIADB_DATABASE, MARIADB_USER, MARIADB_PASSWORD and MARIADB_ROOT_HOST mean what they mean to the official
# image, also with MYSQL_ in front, and each as a file: MARIADB_ROOT_PASSWORD_FILE.
set -euo pipefail
shopt -s nullglob dotglob

data=/var/lib/mysql
socket=/run/mysqld/mysqld.sock
# There as long as the first start goes on: what lies beside it then is nobody's.
mark="$data/.first-start"

fail() { echo "mariadb: $*" >&2; exit 1; }

# setting NAME DEFAULT: MARIADB_NAME, MYSQL_NAME, or a file of either.
setting() {
  local value='' found='' name file_name
  for name in "MARIADB_$1" "MYSQL_$1"; do
    file_name="${name}_FILE"
    if [ -n "${!name:-}" ]; then found="$found $name" value=${!name}; fi
    if [ -n "${!file_name:-}" ]; then
      [ -r "${!file_name}" ] || fail "$file_name names ${!file_name}, which cannot be read"
      found="$found $file_name" value=$(<"${!file_name}")
    fi
    unset "$name" "$file_name"
  done
  set -- "$1" "$2" $found
  [ $# -lt 4 ] || fail "$found are all set: choose one"
  [ $# -gt 2 ] || value=$2
  printf -v "MARIADB_$1" '%s' "$value"
}

[ "${1:-}" = mysqld ] && set -- mariadbd "${@:2}"
[ "${1:-}" = mariadbd ] || [ "${1#-}" = "$1" ] || set -- mariadbd "$@"
[ "$1" = mariadbd ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
  if [ ! -d "$data/mysql" ] || [ -e "$mark" ]; then
    # Secrets are for root alone to read; what is read here goes on as a variable, and the server does not get it.
    for name in ROOT_PASSWORD PASSWORD; do setting $name ''; export "MARIADB_$name"; done
  fi
  mkdir -p "$data" /run/mysqld
  # The top folder only: what is in it is the server's own already.
  chown mysql:mysql "$data" /run/mysqld
  exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi

quoted() { local text=${1//\\/\\\\}; printf "'%s'" "${text//\'/\'\'}"; }
name_of() { printf '`%s`' "${1//\`/\`\`}"; }

statements() {
  local host
  host=$(quoted "$MARIADB_ROOT_HOST")
  echo "SET @@SESSION.SQL_LOG_BIN = 0;"
  # Besides root@localhost the installation makes roots of other hosts that need no password, and nameless users.
  echo "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');"
  echo "DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost'; DELETE FROM mysql.db WHERE Db LIKE 'test%';"
  echo "FLUSH PRIVILEGES; DROP DATABASE IF EXISTS test;"
  if [ "$MARIADB_ROOT_HOST" != localhost ]; then
    echo "CREATE USER IF NOT EXISTS root@$host IDENTIFIED BY $(quoted "$MARIADB_ROOT_PASSWORD");"
    echo "GRANT ALL ON *.* TO root@$host WITH GRANT OPTION; GRANT PROXY ON ''@'%' TO root@$host WITH GRANT OPTION;"
  fi
  [ -z "$MARIADB_DATABASE" ] || echo "CREATE DATABASE IF NOT EXISTS $(name_of "$MARIADB_DATABASE");"
  if [ -n "$MARIADB_USER" ]; then
    echo "CREATE USER $(quoted "$MARIADB_USER")@'%' IDENTIFIED BY $(quoted "$MARIADB_PASSWORD");"
    [ -z "$MARIADB_DATABASE" ] || echo "GRANT ALL ON $(name_of "${MARIADB_DATABASE//_/\\_}").* TO $(quoted "$MARIADB_USER")@'%';"
  fi
  # Last: after it this connection could not do the rest.
  echo "ALTER USER root@localhost IDENTIFIED BY $(quoted "$MARIADB_ROOT_PASSWORD");"
}

initialise() {
  setting ROOT_PASSWORD ''
  setting PASSWORD ''
  setting ROOT_HOST '%'
  setting DATABASE ''
  setting USER ''
  setting ALLOW_EMPTY_ROOT_PASSWORD ''
  setting RANDOM_ROOT_PASSWORD ''
  if [ -z "$MARIADB_ROOT_PASSWORD" ] && [ -n "$MARIADB_RANDOM_ROOT_PASSWORD" ]; then
    MARIADB_ROOT_PASSWORD=$(head -c 24 /dev/urandom | base64)
    echo "mariadb: GENERATED ROOT PASSWORD: $MARIADB_ROOT_PASSWORD"
  fi
  [ -n "$MARIADB_ROOT_PASSWORD" ] || [ -n "$MARIADB_ALLOW_EMPTY_ROOT_PASSWORD" ] ||
    fail 'set MARIADB_ROOT_PASSWORD, or MARIADB_ROOT_PASSWORD_FILE, for the first start'
  [ -z "$MARIADB_USER" ] || [ -n "$MARIADB_PASSWORD" ] || fail 'MARIADB_USER needs MARIADB_PASSWORD'
  : >"$mark"
  mariadb-install-db --datadir="$data" --skip-test-db --auth-root-authentication-method=normal --skip-log-bin >/dev/null
  mariadbd --skip-networking --socket="$socket" --skip-log-bin &
  local server=$!
  local tries=0
  until mariadb-admin --no-defaults --protocol=socket --socket="$socket" --user=root ping >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || fail 'the first start did not come up; its words are above'
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail 'the first start did not come up within 5 minutes'
    sleep 0.5
  done
  statements | mariadb --no-defaults --protocol=socket --socket="$socket" --user=root --database=mysql
  local client file
  for file in /docker-entrypoint-initdb.d/*; do
    echo "mariadb: runs $file"
    client=(env "MYSQL_PWD=$MARIADB_ROOT_PASSWORD" mariadb --no-defaults --protocol=socket --socket="$socket" --user=root)
    [ -z "$MARIADB_DATABASE" ] || client+=(--database="$MARIADB_DATABASE")
    case $file in
      *.sh) bash "$file" ;;
      *.sql) "${client[@]}" <"$file" ;;
      *.sql.gz) gunzip -c "$file" | "${client[@]}" ;;
      *) echo "mariadb: leaves $file out: neither .sh nor .sql" ;;
    esac
  done
  kill -TERM "$server"
  wait "$server"
  sync
  # Last: from here on there is a data folder.
  rm "$mark"
  sync
}

if [ -e "$mark" ]; then
  echo 'mariadb: an earlier first start was cut off; begins anew'
  for entry in "$data"/*; do [ "$entry" = "$mark" ] || [ "${entry##*/}" = lost+found ] || rm -rf "$entry"; done
  initialise
elif [ ! -d "$data/mysql" ]; then
  for entry in "$data"/*; do
    [ "${entry##*/}" = lost+found ] || fail "$data holds ${entry##*/} and no folder mysql: this is no data folder of MariaDB"
  done
  initialise
fi
unset MARIADB_ROOT_PASSWORD MARIADB_PASSWORD
exec "$@"
