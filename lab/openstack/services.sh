# shellcheck shell=bash
# shellcheck disable=SC2154  # the values are those of names.sh
# Starts the services of the lab inside it, in the order in which they need each other. Sourced by up.sh.

# service NAME COMMAND…: unless it runs already. Each run begins a log; the one before is kept as NAME.log.1. (haproxy
# takes what the shell's `>>` has set on its output away again, so that it would write over an older log from its beginning.)
service() {
    local name=$1
    shift
    is_alive "$name" && return 0
    [ ! -e "$logs/$name.log" ] || mv "$logs/$name.log" "$logs/$name.log.1"
    # shellcheck disable=SC2016  # expanded inside
    inside bash -c 'setsid "${@:3}" >>"$1" 2>&1 </dev/null 9>&- & echo $! >"$2"' \
        start "$logs/$name.log" "$run/$name.pid" "$@"
}

# A web service by uwsgi: NAME PORT PROGRAM PROCESSES
web_service() {
    service "$1" uwsgi_python311 --plugin python3 --http-socket "$internal:$2" --wsgi-file "$3" --processes "$4" \
        --threads 1 --master --lazy-apps --die-on-term --buffer-size 65535 --add-header 'Connection: close' \
        --enable-threads --need-app --thunder-lock --disable-logging
}

start_foundations() {
    if [ ! -d "$state/mysql/mysql" ]; then
        inside mariadb-install-db --defaults-file=/etc/mysql/lab.cnf --user=mysql --skip-test-db \
            --auth-root-authentication-method=socket >"$logs/mariadb-install.log" 2>&1
    fi
    service mariadb mariadbd --defaults-file=/etc/mysql/lab.cnf --user=mysql
    service rabbitmq setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups env HOME=/var/lib/rabbitmq \
        RABBITMQ_NODENAME=rabbit@localhost /usr/lib/rabbitmq/bin/rabbitmq-server
    service memcached memcached -u memcache -l 127.0.0.1 -m 64
    service haproxy haproxy -db -f /etc/haproxy/haproxy.cfg
    service git git daemon --reuseaddr --export-all --base-path="$state/git" --listen="$internet" --informative-errors \
        "$state/git"
    service agent ssh-agent -D -a "$run/agent.sock"
    wait_for mariadb 60 answers_sql
    wait_for "the ssh agent" 10 inside ssh-add -q "$state/id_lab"
    say "database, ssh agent and git server answer"
}

sql() { inside mariadb -S /run/mysqld/mysqld.sock -uroot; }

answers_sql() { echo 'select 1' | sql; }

# Two at a time, which is as many as there are processors.
make_schemas() {
    local first second
    if [ ! -e "$state/.done-schemas" ]; then
        databases | sql
        first_schemas >"$logs/schemas-1.log" 2>&1 &
        first=$!
        second_schemas >"$logs/schemas-2.log" 2>&1 &
        second=$!
        wait $first || fail "the schemas cannot be made: $(tail -5 "$logs/schemas-1.log")"
        wait $second || fail "the schemas cannot be made: $(tail -5 "$logs/schemas-2.log")"
        touch "$state/.done-schemas"
        say "schemas done"
    fi
    wait_for rabbitmq 60 inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/5672'
}

databases() {
    local name
    for name in keystone placement glance nova_api nova nova_cell0 neutron octavia heat; do
        echo "create database if not exists $name character set utf8mb3;"
    done
    echo "create user if not exists lab@localhost identified by '$password';"
    echo 'grant all on *.* to lab@localhost; flush privileges;'
}

first_schemas() (
    set -e
    inside keystone-manage db_sync
    inside keystone-manage fernet_setup --keystone-user root --keystone-group root
    inside keystone-manage credential_setup --keystone-user root --keystone-group root
    inside keystone-manage bootstrap --bootstrap-password "$password" --bootstrap-region-id RegionOne \
        --bootstrap-public-url "http://$internet:5000/v3/" --bootstrap-internal-url "http://$internal:5000/v3/" \
        --bootstrap-admin-url "http://$internal:5000/v3/"
    inside placement-manage db sync
    inside glance-manage db_sync
    inside octavia-db-manage upgrade head
    inside heat-manage db_sync
)

second_schemas() (
    set -e
    inside neutron-db-manage --config-file /etc/neutron/neutron.conf \
        --config-file /etc/neutron/plugins/ml2/ml2_conf.ini upgrade heads
    inside nova-manage api_db sync
    inside nova-manage cell_v2 map_cell0 --database_connection "$(database nova_cell0)"
    inside nova-manage cell_v2 create_cell --name=cell1
    inside nova-manage db sync
)

start_identity() {
    web_service keystone 5000 /usr/bin/keystone-wsgi-public 2
    wait_for keystone 60 answers 5000/v3
}

start_cloud() {
    local neutron=(--config-file /etc/neutron/neutron.conf)
    web_service placement 8778 /usr/bin/placement-api 1
    service neutron-server neutron-server "${neutron[@]}" --config-file /etc/neutron/plugins/ml2/ml2_conf.ini
    service glance-api glance-api --config-file /etc/glance/glance-api.conf
    service nova-conductor nova-conductor
    service nova-api nova-api
    service virtlogd virtlogd
    service libvirtd libvirtd
    wait_for neutron 120 answers 9696/
    wait_for libvirt 30 inside test -S /run/libvirt/libvirt-sock
    service neutron-linuxbridge neutron-linuxbridge-agent "${neutron[@]}" \
        --config-file /etc/neutron/plugins/ml2/linuxbridge_agent.ini
    service nova-compute nova-compute --config-file /etc/nova/nova.conf
    service nova-scheduler nova-scheduler
    service neutron-l3 neutron-l3-agent "${neutron[@]}" --config-file /etc/neutron/l3_agent.ini
    service neutron-dhcp neutron-dhcp-agent "${neutron[@]}" --config-file /etc/neutron/dhcp_agent.ini
    service neutron-metadata neutron-metadata-agent "${neutron[@]}" --config-file /etc/neutron/metadata_agent.ini
    wait_for nova 120 answers 8774/
    wait_for glance 60 answers 9292/
    wait_for placement 60 answers 8778/
    say "keystone, placement, glance, neutron and nova answer"
}

start_octavia() {
    web_service octavia-api 9876 /usr/bin/octavia-wsgi 1
    service octavia-worker octavia-worker
    service octavia-health octavia-health-manager
    service octavia-housekeeping octavia-housekeeping
    wait_for octavia 90 answers 9876/
    say "octavia answers"
}

start_heat() {
    service heat-api heat-api
    service heat-engine heat-engine
    wait_for heat 60 answers 8004/
    say "heat answers"
}

answers() { inside curl --silent --output /dev/null --max-time 5 "http://$internal:$1"; }

# wait_for WHAT SECONDS COMMAND…: until the command succeeds
wait_for() {
    local what=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$what does not answer; the logs are in $logs"
        sleep 0.3
    done
}
