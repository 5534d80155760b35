# Shortcuts. What each check does is written in one place, .ci/run; this file only names the steps.

# List the recipes.
default:
    @just --list

# Everything that decides whether a change may land.
ci:
    .ci/run

# Format, lints, tests, documentation: before each commit.
check:
    .ci/run fmt clippy test doc

# Published clients of KeyAuth and Authly, from crates, npm and PyPI, against a real server (needs OpenSSL's headers, Node and python3-venv).
clients:
    .ci/run clients

# The page behind a mail's link in a real browser (installs Chromium on Debian).
browser:
    .ci/run browser

# Every example against a real server.
examples:
    .ci/run examples

# Licenses, sources, duplicates and advisories of all dependencies (installs cargo-deny; needs the network).
deny:
    .ci/run deny

# The same without advisories: no network needed once cargo-deny is there.
deny-offline:
    .ci/run deny-offline

# Each call against a bare hyper server, latency, memory, start, as Markdown; takes --rows N (to 10 million) --seconds S --rounds R.
bench *args:
    bench/run.sh {{ args }}

# Twenty minutes of mixed load of all formats, with strangers, clean-up, backups, commands; takes --minutes M.
soak *args:
    bench/run.sh soak {{ args }}

# Kills, power cuts, full and broken disks, jumping clocks: the long form; takes --seed N, --keep and names of parts.
torture *args:
    TORTURE_LONG=1 TORTURE_ARGUMENTS="{{ args }}" .ci/run torture

# Fuzz what reads what strangers send: `just fuzz [SECONDS] [TARGET…]` (installs cargo-fuzz).
fuzz *args:
    fuzz/run.sh {{ args }}

# Rewrite all sources in the project's format.
fmt:
    cargo fmt
    cargo fmt --manifest-path tests/clients/Cargo.toml
    cargo fmt --manifest-path bench/Cargo.toml
    cargo fmt --manifest-path torture/Cargo.toml
    cargo fmt --manifest-path fuzz/Cargo.toml
