# shellcheck shell=bash
# Where Ansible is, and how it is to behave. Sourced by the scripts beside it.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck disable=SC2034 # for who sources this
environment=${PONTOON_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pontoon/lab}/bench/ansible
export ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_REMOTE_USER=debian ANSIBLE_PIPELINING=true
export ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_CALLBACKS_ENABLED=ansible.posix.profile_tasks
