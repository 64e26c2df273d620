#!/bin/bash
# Takes away what up.sh made.
set -euo pipefail
openstack stack delete --yes --wait blog
openstack subnet set --no-allocation-pool --allocation-pool start=192.168.0.2,end=192.168.0.254 default
