# Turns what KeyAuth's seller API told about an app into a document for `keystead import`. docs/moving-from-keyauth.md
# says how to get the files and how to run this. What it cannot know (user variables, chats, files) it leaves out.

def text: if . == null then "" else tostring end;
def number: if text == "" then null else (tostring | tonumber? // null) end;
def length: number | if . != null and . >= 315569260 then "lifetime" else . end;
def told: if text == "" or text == "0" or text == "1" then null else text[0:99] end;
def is_banned: (text != "" and text != "0");
($users[0].users // []) as $people
| ($keys[0].keys // []) as $licenses
| ($people | map(.username | ascii_downcase)) as $names
| ($subs[0].subs // []) as $plans
| ($plans | map({key: .name, value: .level}) | from_entries) as $levels
| (reduce $held[] as $h ({}; .[$h.username | ascii_downcase] = ($h.subscriptions // []))) as $holds
| {
    owner: {name: "owner", ownerid: $ownerid}, name: $name, secret: $secret,
    plans: [$plans[] | {name, level: (.level | text)}],
    variables: [($vars[0].vars // [])[] | {name: .varid, value: .msg, authenticated: ((.authed // 1 | text) != "0")}],
    bans: [($blacks[0].blacklists // $blacks[0].subs // [])[]
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
