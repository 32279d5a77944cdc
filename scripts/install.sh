#!/usr/bin/env bash
# Installs ivr into .venv with what it needs, at the versions of constraints.txt: scripts/install.sh .[dev]
# uv does it, given pip's settings, as it takes a fifth of pip's time; where uv fails, pip does. Neither
# compiles anything ahead: Python compiles the few modules that it imports.
set -euo pipefail

pip=(.venv/bin/python -m pip --disable-pip-version-check)
wanted=(-c constraints.txt -e "$1")

with_uv() {
  local uv settings option value options=(--index-strategy unsafe-best-match)
  local certificates=${SSL_CERT_FILE:-}
  if ! uv=$(command -v uv); then
    "${pip[@]}" install -qq --no-compile -c constraints.txt uv || return
    uv=.venv/bin/uv
  fi
  settings=$("${pip[@]}" config list) || return
  for option in index-url extra-index-url find-links cert; do
    for value in $(sed -nE "s/^[^=]*\.$option='(.*)'$/\1/p" <<<"$settings"); do
      case $option in
        cert) certificates=${certificates:-$value} ;;
        *) options+=("--$option" "$value") ;;
      esac
    done
  done
  if [ -n "$certificates" ]; then export SSL_CERT_FILE=$certificates; fi
  "$uv" pip install -q --python .venv/bin/python "${options[@]}" "${wanted[@]}"
}

if (with_uv) >/dev/null 2>&1; then exit; fi
# On a terminal one line says what pip does; what fails is printed whole.
if [ -t 1 ]; then
  "${pip[@]}" install --no-compile "${wanted[@]}" --progress-bar off | while read -r line; do
    case $line in Collecting* | Downloading* | Building* | Installing*)
      printf '\r\033[K  %.70s' "${line%% (from*}" ;;
    esac
  done
  printf '\r\033[K'
else
  "${pip[@]}" install --no-compile "${wanted[@]}" -qq
fi
