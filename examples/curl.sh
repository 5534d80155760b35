#!/bin/sh
# A customer's whole visit in curl, by POST and by GET. To be read as much as to be run:
#
#   examples/curl.sh URL NAME OWNERID KEY1 KEY2
#
# URL is the server's API (http://127.0.0.1:8080/api/1.2/), NAME and OWNERID are the app's, KEY1 and KEY2 two unused
# licenses of it. Ends with 1 if an answer is not the expected one. Needs a POSIX shell and curl, nothing else.
set -eu

if [ $# -ne 5 ]; then
  echo "usage: $0 URL NAME OWNERID KEY1 KEY2" >&2
  exit 2
fi
url=$1 name=$2 ownerid=$3 key1=$4 key2=$5

# post PAIR…: a call with its parameters in the body. Every call names the app; curl encodes what needs encoding.
post() {
  for pair; do set -- "$@" --data-urlencode "$pair"; shift; done
  curl -sS --data-urlencode "name=$name" --data-urlencode "ownerid=$ownerid" "$@" "$url"
}

# get PAIR…: the same call with everything in the query.
get() {
  for pair; do set -- "$@" --data-urlencode "$pair"; shift; done
  curl -sS -G --data-urlencode "name=$name" --data-urlencode "ownerid=$ownerid" "$@" "$url"
}

# field NAME: the text of one field of the answer. Enough for this; a real program uses a JSON reader.
field() {
  printf '%s' "$answer" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

# expect WHAT PATTERN: says what happened, and ends if the answer is not like the pattern.
expect() {
  printf '%-44s %s\n' "$1" "$answer"
  # shellcheck disable=SC2254 # the pattern is one
  case $answer in
    $2) ;;
    *) echo "expected $2" >&2; exit 1 ;;
  esac
}

# Everything happens on a session. `ver` is the program's version: an outdated program is refused here.
answer=$(post type=init ver=1.0)
expect 'init opens a session:' '{"success":true,"message":"Initialized",*'
session=$(field sessionid)

# The session is not yet anybody's.
answer=$(get type=check "sessionid=$session")
expect 'check, before anybody logged in:' '{"success":false,*"error":"SESSION_NOT_VALIDATED"}'

# A license makes a user: name and password are the customer's choice. The device is bound; later logins need it.
user="curl-$session"
answer=$(post type=register "sessionid=$session" "username=$user" 'pass=correct horse + battery' "key=$key1" hwid=laptop)
expect 'register makes a user with a license:' '{"success":true,*"subscriptions":?{"subscription":"*'

# The license is used up now. A refusal is a 200 too: `message` is for the customer, `error` for programs.
answer=$(post type=register "sessionid=$session" "username=$user-2" pass=secret "key=$key1")
expect 'register with the same license again:' '{"success":false,*"error":"LICENSE_IN_USE"}'

answer=$(get type=check "sessionid=$session")
expect 'check, by GET:' '{"success":true,"message":"Session is validated.",*'

# Another day, another session. The name is not case-sensitive; the password is.
answer=$(get type=init ver=1.0)
expect 'init by GET opens another session:' '{"success":true,"message":"Initialized",*'
session=$(field sessionid)
answer=$(post type=login "sessionid=$session" "username=$user" pass=wrong hwid=laptop)
expect 'login with a wrong password:' '{"success":false,*"error":"INVALID_PASSWORD"}'
answer=$(post type=login "sessionid=$session" "username=$user" 'pass=correct horse + battery' hwid=desktop)
expect 'login from another device:' '{"success":false,*"error":"HWID_MISMATCH"}'
answer=$(post type=login "sessionid=$session" "username=$user" 'pass=correct horse + battery' hwid=laptop)
expect 'login:' '{"success":true,*"username":"'"$user"'",*'

# Nothing but a license: the first use redeems it, every later use logs in.
answer=$(post type=license "sessionid=$session" "key=$key2" hwid=laptop)
expect 'license, first use:' '{"success":true,*"username":"'"$key2"'",*'
answer=$(get type=license "sessionid=$session" "key=$key2" hwid=laptop)
expect 'license again, by GET:' '{"success":true,*"username":"'"$key2"'",*'

# Texts that the operator keeps on the server (keystead var set). There is none of this name.
answer=$(get type=var "sessionid=$session" varid=no-such-variable)
expect 'var that does not exist:' '{"success":false,*"error":"VARIABLE_NOT_FOUND"}'

answer=$(post type=checkblacklist "sessionid=$session" hwid=laptop)
expect 'checkblacklist (refused is the good news):' '{"success":false,*"error":"NOT_BANNED"}'

answer=$(post type=logout "sessionid=$session")
expect 'logout ends the session:' '{"success":true,"message":"Successfully logged out.",*'
answer=$(get type=check "sessionid=$session")
expect 'check, after that:' '{"success":false,*"error":"SESSION_NOT_FOUND"}'
