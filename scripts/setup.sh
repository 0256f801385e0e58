#!/bin/sh
# Brings a Debian or Ubuntu machine to where Holdfast runs (`setup.sh run`) or tests itself (`setup.sh test`).
# Called by `npm run up` and `npm test`. It says what it will install and why before it does, installs nothing
# that is there already in another form, and never touches an nginx or a Docker engine that it did not install.
set -eu

mode=${1:-}
case $mode in
  run | test) ;;
  *)
    echo "usage: setup.sh run|test" >&2
    exit 1
    ;;
esac

# su without a login leaves these out, and iptables and nginx live there.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH DEBIAN_FRONTEND=noninteractive
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
state=${HOLDFAST_STATE:-/var/lib/holdfast}
dockerd_log=/var/log/holdfast-dockerd.log
dockerd_record=/run/holdfast/dockerd
policy=/usr/sbin/policy-rc.d
policy_mark='written by Holdfast for the time of an installation'

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }
has_systemd() { [ -d /run/systemd/system ]; }

# --- Node and root ---------------------------------------------------------------------------------------------

has node || fail "Node.js is missing. Install Node.js 20.20 or newer, then run this again."
has npm || fail "npm is missing. It comes with Node.js from nodejs.org; on Debian it is the package npm."
node_version=$(node -p 'process.versions.node')
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 20) ? 0 : 1)' ||
  fail "Node.js $node_version is too old: 20.20 or newer is needed."
[ "$(id -u)" = 0 ] || fail "Root is needed, for Docker, nginx and the ports 80 and 443: run it again with sudo."

# --- What is missing -------------------------------------------------------------------------------------------

# One per line: package, then why. Alternatives are separated by | and the first that can be had is taken; - is to go without.
missing=''
need() { missing="$missing$1 $2
"; }

static_busybox() {
  for candidate in /bin/busybox /usr/bin/busybox; do
    [ -x "$candidate" ] && ! ldd "$candidate" >/dev/null 2>&1 && return 0
  done
  return 1
}

# The Docker engine may be of any origin: a package of Docker's own, Podman's socket, a socket elsewhere.
docker_there() { [ -n "${DOCKER_HOST:-}" ] || [ -S /var/run/docker.sock ] || has dockerd; }

find_missing() {
  missing=''
  docker_there || need docker.io 'runs the containers of the apps'
  has iptables || need iptables 'connects and separates containers'
  has nginx || need 'nginx-light|nginx' 'serves the sites (with its own configuration)'
  [ -e /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates 'checks certificates of registries'
  static_busybox || need busybox-static 'is what the example image is made of'
  [ "$mode" = test ] || return 0
  has docker || need 'docker-cli|docker.io' 'is the client with which tests look at containers'
  has mmdebstrap || need mmdebstrap 'makes the machines in which tests run'
  has curl || need curl 'asks sites as a person would'
  has docker-registry || need docker-registry 'is a registry to pull from'
  has openssl || need openssl 'looks at certificates'
  has pebble || need 'pebble|-' 'is an ACME authority to get certificates of'
  has knotd || need 'knot|-' 'is a name server whose zones can be changed'
  has kdig || need 'knot-dnsutils|-' 'asks name servers'
  has kubectl || ! has apt-get || need 'kubernetes-client|-' 'is a client of the API that others wrote'
}

# --- Installing ------------------------------------------------------------------------------------------------

can_be_had() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

updated=''
update_lists() {
  [ -z "$updated" ] || return 0
  updated=yes
  say 'apt-get update'
  tries=0
  until apt-get -q update >"$words" 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 60 ] || ! grep -q 'Could not get lock' "$words"; then
      say "The package lists could not be brought up to date; going on with what is there. apt said:"
      grep -E '^(E|W|Err):?' "$words" | head -5 >&2 || true
      break
    fi
    [ $tries != 1 ] || say 'another program uses the package lists; waiting for it'
    sleep 5
  done
  }

# Answers the first of a|b that can be had.
choose() {
  for name in $(echo "$1" | tr '|' ' '); do
    if [ "$name" = - ] || can_be_had "$name"; then
      echo "$name"
      return 0
    fi
  done
  return 1
}

# The distribution's nginx would start at once and take port 80, its registry port 5000. Docker may start where systemd starts it; its init script
# fails on many machines without systemd, and the installation with it, so there it is started below.
hold_services_back() {
  if [ -e $policy ] && ! grep -q "$policy_mark" $policy; then mv $policy $policy.before-holdfast; fi
  if has_systemd; then held='nginx* | docker-registry* | knot*'; else held='*'; fi
  cat >$policy <<END
#!/bin/sh
# $policy_mark
case "\$1" in $held) exit 101 ;; esac
[ ! -x $policy.before-holdfast ] || exec $policy.before-holdfast "\$@"
exit 0
END
  chmod 755 $policy
}

let_services_go() {
  [ -e $policy ] && grep -q "$policy_mark" $policy || return 0
  rm -f $policy
  [ ! -e $policy.before-holdfast ] || mv $policy.before-holdfast $policy
}

# Nor at the next boot.
disable_service() {
  if has systemctl; then
    systemctl disable "$1.service" >/dev/null 2>&1 || true
  elif has update-rc.d; then
    update-rc.d "$1" disable >/dev/null 2>&1 || true
  fi
}

# An installation that was cut off leaves packages that are there but do not work.
repair_packages() {
  has dpkg-query || return 0
  broken=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' docker.io iptables nginx-light nginx busybox-static 2>/dev/null |
    grep -E '^(unpacked|half-configured|half-installed|triggers-awaited|triggers-pending) ' | cut -d' ' -f2 | tr '\n' ' ') || true
  [ -n "$broken" ] || return 0
  did_something=yes
  say "finishing the installation of $broken(dpkg --configure -a), which was cut off"
  hold_services_back
  dpkg --configure -a >&2 || fail 'dpkg --configure -a failed; its words are above. Repair that, then run this again.'
  let_services_go
}

apt_install() { apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"; }

install_packages() {
  has apt-get || fail "This is not Debian or Ubuntu, so nothing can be installed for you. Missing: $(echo "$missing" | cut -d' ' -f1 | tr '\n' ' ')"
  packages=''
  has_lists=yes
  for one in $(printf '%s' "$missing" | cut -d' ' -f1); do choose "$one" >/dev/null || has_lists=''; done
  [ -n "$has_lists" ] || update_lists
  while read -r one why; do
    [ -n "$one" ] || continue
    name=$(choose "$one") || fail "The package $one cannot be had: apt knows none of that name. Look at the sources in /etc/apt and at the network, then run this again."
    if [ "$name" = - ]; then
      say "${one%|-} cannot be had here; tests that need it are skipped"
      continue
    fi
    case "$packages " in *" $name "*) continue ;; esac
    packages="$packages $name"
    say "will install $name: $why"
    if [ "$name" = busybox-static ] && dpkg -s busybox >/dev/null 2>&1; then
      say '  (it takes the place of the package busybox: the same program, linked statically)'
    fi
  done <<END
$missing
END
  [ -n "$packages" ] || return 0
  say "apt-get install -y --no-install-recommends$packages"
  hold_services_back
  # shellcheck disable=SC2086
  if ! apt_install $packages >"$words" 2>&1; then
    # Lists that are weeks old name files that are gone.
    if [ -z "$updated" ] && update_lists && apt_install $packages >"$words" 2>&1; then
      :
    else
      tail -20 "$words" >&2
      fail "apt-get could not install$packages; its last words are above. Repair that, then run this again."
    fi
  fi
  case $packages in *nginx*) disable_service nginx ;; esac
  case $packages in *docker-registry*) disable_service docker-registry ;; esac
  case $packages in *knot*) disable_service knot ;; esac
  let_services_go
  if [ "$mode" = run ]; then
    mkdir -p "$state"
    for name in $packages; do echo "$name"; done >>"$state/installed-packages"
  fi
  did_something=yes
}

# --- Docker ----------------------------------------------------------------------------------------------------

probe() { node scripts/probe.mjs "$1" | grep -q "$1"; }

# 30 s: a first start makes its storage and its bridge.
wait_for_docker() {
  tries=0
  until probe docker; do
    tries=$((tries + 1))
    [ $tries -lt 60 ] || return 1
    [ -z "${1:-}" ] || kill -0 "$1" 2>/dev/null || return 1
    sleep 0.5
  done
}

start_docker() {
  [ -z "${DOCKER_HOST:-}" ] || fail "No Docker engine answers at DOCKER_HOST=$DOCKER_HOST."
  has dockerd || fail "The Docker engine behind /var/run/docker.sock does not answer, and there is no dockerd to start. Start it, then run this again."
  did_something=yes
  if has_systemd; then
    say 'starting docker.service'
    systemctl enable --now docker.service >/dev/null 2>&1 || true
    wait_for_docker || fail "docker.service did not come up: journalctl -u docker tells why."
    return 0
  fi
  say "starting dockerd, for there is no systemd here; its log is $dockerd_log"
  mkdir -p "${dockerd_record%/*}"
  if [ -f $dockerd_log ] && [ "$(wc -c <$dockerd_log)" -gt 10000000 ]; then mv $dockerd_log $dockerd_log.1; fi
  setsid dockerd >>$dockerd_log 2>&1 </dev/null &
  pid=$!
  if ! wait_for_docker $pid; then
    tail -5 $dockerd_log >&2
    fail "dockerd did not come up; its last words are above, all of them in $dockerd_log."
  fi
  # Remembered with its start time, so that down can tell it from a later process of the same number.
  echo "$pid $(cut -d' ' -f22 /proc/$pid/stat)" >$dockerd_record
}

# --- Node packages and the build -------------------------------------------------------------------------------

install_node_packages() {
  # A link leads to somebody else's packages.
  [ ! -L node_modules ] || return 0
  lock=node_modules/.package-lock.json
  if [ -e $lock ] && [ -z "$(find package-lock.json -newer $lock)" ]; then return 0; fi
  did_something=yes
  say 'installing the Node packages of package-lock.json in node_modules'
  # Install scripts are not run: the one that is needed is run below, when it is. npm ci refuses a lock file in which packages
  # for other systems are missing, and a registry that does not serve those makes such lock files; npm install takes it.
  options='--ignore-scripts --no-audit --no-fund --loglevel=error'
  # shellcheck disable=SC2086
  npm ci $options >/dev/null 2>&1 || npm install --no-save $options >&2 ||
    fail 'npm could not install the packages; its words are above. Without them nothing runs.'
  touch $lock
}

make_sqlite_work() {
  ! probe sqlite || return 0
  did_something=yes
  say "better-sqlite3 has no program for Node.js $node_version here; looking for a prebuilt one"
  (cd node_modules/better-sqlite3 && timeout 90 node ../prebuild-install/bin.js >/dev/null 2>&1) || true
  ! probe sqlite || return 0
  missing=''
  has python3 || need python3 'runs node-gyp, which compiles better-sqlite3 (no prebuilt one can be had)'
  has make || need make 'compiles better-sqlite3'
  has g++ || need g++ 'compiles better-sqlite3'
  [ -z "$missing" ] || install_packages
  # Headers that came with this Node save a download.
  headers=$(node -p 'require("node:path").resolve(process.execPath, "../..")')
  if [ -e "$headers/include/node/node.h" ]; then
    npm_config_nodedir=$headers
    export npm_config_nodedir
  fi
  say 'compiling better-sqlite3: one to two minutes'
  if ! npm rebuild better-sqlite3 --foreground-scripts >"$words" 2>&1 || ! probe sqlite; then
    tail -15 "$words" >&2
    fail 'better-sqlite3 could not be compiled; the last words are above.'
  fi
}

# Built beside and then swapped, for a controller may be running from dist.
build() {
  stamp=dist/.built
  if [ -e $stamp ] && [ -z "$(find controller resources reconcilers tsconfig.json tsconfig.build.json package-lock.json -type f -newer $stamp | head -1)" ]; then
    return 0
  fi
  did_something=yes
  say 'building dist from the sources'
  rm -rf .cache/dist
  mkdir -p .cache/dist
  : >.cache/dist/.built
  if ! node_modules/.bin/tsc -p tsconfig.build.json --outDir .cache/dist >&2; then
    rm -rf .cache/dist
    [ "$mode" = test ] || fail 'The sources do not build; the errors are above.'
    say 'The sources do not build; the errors are above. The tests go on without dist.'
    return 0
  fi
  rm -rf dist
  mv .cache/dist dist
}

# --- All of it -------------------------------------------------------------------------------------------------

did_something=''
# What apt said last. Not a name that anybody can guess: root writes it.
words=$(mktemp)
finish() {
  let_services_go
  rm -f "$words"
}
trap finish EXIT
trap 'exit 130' INT TERM
let_services_go
repair_packages
find_missing
[ -z "$missing" ] || install_packages
install_node_packages
make_sqlite_work
probe docker || start_docker
build
if [ -n "$did_something" ]; then say 'done'; else say 'nothing to install'; fi
