#!/bin/bash
# The blog stack by a Heat template and a script over ssh.
set -euo pipefail
cd "$(dirname "$0")"

openstack subnet set --no-allocation-pool --allocation-pool start=192.168.0.2,end=192.168.0.20 default
openstack stack create --wait --poll 5 --timeout 30 --template blog.yaml blog >/dev/null
host=$(openstack stack output show blog host -f value -c output_value)
website=$(openstack stack output show blog website -f value -c output_value)
../container.sh "$host"
until curl --silent --fail --output /dev/null --max-time 5 "http://$website/"; do sleep 2; done
echo "http://$website/"
