#!/bin/sh
# Installs the bundle into @{prefix} and starts the unit. As root; fetches nothing. What was there stays as @{prefix}.old.
set -eu
cd "$(dirname "$0")"
rm -rf @{prefix}.new @{prefix}.old
python3 @{name}.bundle install @{prefix}.new
cp @{name}.bundle @{prefix}.new/
if [ -d @{prefix} ]; then mv @{prefix} @{prefix}.old; fi
mv @{prefix}.new @{prefix}
cp @{name}.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable @{name}
systemctl restart @{name}
systemctl --no-pager status @{name}
