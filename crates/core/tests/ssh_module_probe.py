"""Runs cloud-init's own ssh module on a user-data, in a mount namespace that its caller made.

Covers /etc/ssh with an empty file system first, and puts a key there as an image would have. Prints what is there
afterwards, each with its public half. Accounts are left alone.
"""

import json
import logging
import os
import subprocess
import sys
from unittest import mock

import yaml
from cloudinit.config import cc_ssh

DIRECTORY = "/etc/ssh"

# A mount that did not come about must end this: the module deletes host keys.
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "none", DIRECTORY], check=True)
assert os.listdir(DIRECTORY) == []
with open(f"{DIRECTORY}/ssh_host_rsa_key", "w") as key:
    key.write("from the image")

with open(sys.argv[1]) as user_data, mock.patch.object(cc_ssh, "apply_credentials"):
    config = yaml.safe_load(user_data)
    cc_ssh.handle("ssh", config, mock.MagicMock(), logging.getLogger(), [])

public = {}
for name in sorted(os.listdir(DIRECTORY)):
    if not name.endswith(".pub"):
        read = ["ssh-keygen", "-y", "-f", f"{DIRECTORY}/{name}"]
        public[name] = subprocess.run(read, capture_output=True, text=True, check=True).stdout.strip()
json.dump(public, sys.stdout)
