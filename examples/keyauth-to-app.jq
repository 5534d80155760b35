# Turns what KeyAuth's seller API told about an app into a document for `keystead import`. docs/moving-from-keyauth.md
# says how to get the files and how to run this. What it was not told (user variables, chats, files) it leaves out.
# An answer that is neither a list nor KeyAuth's "none found" stops it: taken for an empty list, it would wipe customers.

def stop(text): text + "; nothing was made. Ask KeyAuth for it again\n" | halt_error(1);
def message: if type != "object" then "this is no answer of the seller API" elif .message == null then "it has no list" else "KeyAuth says \"\(.message)\"" end;
def list(file; key; none):
  if length != 1 then stop("\(file) has \(length) answers, not one")
  else .[0] | if type == "object" and .success == true and (key | type) == "array" then key
    elif type == "object" and .success == false and (.message | type == "string" and (ascii_downcase | rtrimstr(".")) == none) then []
    else stop("\(file): \(message)") end
  end;
# The n-th line is what KeyAuth said of the n-th user.
def answers($people): [splits("\r?\n") | select(test("\\S"))]
  | if length != ($people | length) then stop("held.json has \(length) lines for the \($people | length) users of users.json") else . end
  | [range(length) as $n | $people[$n].username as $name
    | .[$n] | (try fromjson catch null)
    | if type == "object" and .success == true and (.subscriptions | type) == "array"
        and (.username | type == "string" and ascii_downcase == ($name | ascii_downcase)) then .
      else stop("held.json, line \($n + 1), user \($name): \(message)") end];
def text: if . == null then "" else tostring end;
def number: if text == "" then null else (tostring | tonumber? // null) end;
def length: number | if . != null and . >= 315569260 then "lifetime" else . end;
def told: if text == "" or text == "0" or text == "1" then null else text[0:99] end;
def is_banned: (text != "" and text != "0");
($users | list("users.json"; .users; "no users found")) as $people
| ($keys | list("keys.json"; .keys; "no license keys found")) as $licenses
| ($vars | list("vars.json"; .vars; "no variables found")) as $values
| ($blacks | list("blacks.json"; .blacklists // .subs; "no blacklists found")) as $banned
| ($people | map(.username | ascii_downcase)) as $names
| ($subs | list("subs.json"; .subs; "no subscriptions found")) as $plans
| ($plans | map({key: .name, value: .level}) | from_entries) as $levels
| (reduce ($held | answers($people))[] as $h ({}; .[$h.username | ascii_downcase] = ($h.subscriptions // []))) as $holds
| {
    owner: {name: "owner", ownerid: $ownerid}, name: $name, secret: $secret,
    plans: [$plans[] | {name, level: (.level | text)}],
    variables: [$values[] | {name: .varid, value: .msg, authenticated: ((.authed // 1 | text) != "0")}],
    bans: [$banned[]
      | if (.hwid | text) != "" then {hwid: .hwid} elif (.ip | text) != "" then {ip: .ip} else empty end],
    licenses: [$licenses[] | {
      key, level: (.level | text), duration: (.expires | length), note: (.note | told), created_at: (.gendate | number),
      used_at: (if .status == "Used" or (.usedby | text) != "" then (.usedon | number) else null end),
      used_by: (if (.usedby | text | ascii_downcase) as $by | $names | index($by) then .usedby else null end),
      banned: (.status == "Banned"), ban_reason: (if .status == "Banned" then (.banned | told) else null end)}
      | with_entries(select(.value != null))],
    users: [$people[] | (.username | ascii_downcase) as $me | {
      name: .username,
      password_hash: (if (.password | text | startswith("$2")) then .password else null end),
      email_sha1: (if (.email | text | test("^[0-9a-f]{40}$")) then .email else null end),
      ip: (if (.ip | text) == "" then null else .ip end),
      created_at: (.createdate | number), last_login_at: (.lastlogin | number),
      banned: (.banned | is_banned), ban_reason: (.banned | told),
      devices: (if (.hwid | text) == "" then [] else [.hwid] end),
      subscriptions: [($holds[$me] // [])[] | {plan: .subscription, level: ($levels[.subscription] | if . == null then null else text end), expires_at: (.expiry | number)}]}
      | with_entries(select(.value != null))]
  }
