# shellcheck shell=bash
# Ansible as its users install it, in a directory of its own. Sourced by up.sh and down.sh.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
environment=${PONTOON_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pontoon/lab}/bench/ansible
if [ ! -x "$environment/bin/ansible-playbook" ]; then
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --requirement requirements.txt
fi
export ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_REMOTE_USER=debian ANSIBLE_PIPELINING=true
export ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_CALLBACKS_ENABLED=ansible.posix.profile_tasks
