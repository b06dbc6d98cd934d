# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# To be sourced from the top folder: whole builds for the lint tests.

# compile DIR SETUP_OPTION...: build into DIR with warnings as errors; says only
# what is wrong, all of it
compile() {
    local dir=$1 output
    shift
    [ -e "$dir/build.ninja" ] ||
        output=$(meson setup -Dwerror=true "$@" "$dir" 2>&1) ||
        { echo "$output"; return 1; }
    # Configuring again says much; what is wrong with it, compiling says too.
    ninja -C "$dir" build.ninja >/dev/null 2>&1 || true
    output=$(meson compile -C "$dir" --ninja-args=-k,0 2>&1) ||
        { grep -vE '^(\[|INFO:|ninja:|FAILED:|(gcc|clang|cc) )' <<<"$output"; return 1; }
}
