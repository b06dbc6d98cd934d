# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# To be sourced from the top folder: units as they will be installed.

# make_units DIR: all units, with /bin/true in place of our programs
make_units() {
    local unit
    command -v systemd-analyze >/dev/null ||
        { echo "systemd-analyze is not installed"; exit 77; }
    for unit in units/*.in; do
        [[ $unit != *tmpfiles* ]] || continue
        sed -E 's,^(Exec[A-Za-z]*=)@s?bindir@/[a-z]+,\1/bin/true,
            s,@sysconfdir@,/etc,g; s,@localstatedir@,/var,g' "$unit" \
            >"$1/$(basename "$unit" .in)"
    done
}
