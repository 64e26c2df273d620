# shellcheck shell=bash
# shellcheck disable=SC2154  # the values are those of names.sh
# Renders conf/ into the lab's own configuration. Sourced by up.sh.
#
# What a template may say beside its plain text:
#   @INTERNET@ @INTERNAL@ @MANAGEMENT@ @TUNNEL@ @PASSWORD@ @VIRTUALIZATION@    a value of names.sh
#   @BUS@  @DATABASE:name@                                                      how to reach them
#   @AUTHSEC:user@   @AUTHTOKEN:user@                                           the lines by which a service logs in
#   @AMPHORA_NETWORK@ @AMPHORA_GROUP@                                           ids, known when seed.py has run

# Beside the templates, each service needs what its package brings: policies, paste files, defaults.
copy_packaged_configuration() {
    local service
    for service in keystone placement glance nova neutron octavia heat libvirt rabbitmq mysql; do
        [ -d "$config/$service" ] && continue
        mkdir -p "$config"
        cp -a "/etc/$service" "$config/$service.part"
        mv "$config/$service.part" "$config/$service"
    done
    rm -f "$config"/libvirt/qemu/networks/autostart/* # libvirt's own network is of no use here
    printf '127.0.0.1 localhost pontoon-lab\n::1 localhost ip6-localhost\n' >"$config/hosts"
}

render_configuration() {
    local template
    rendered "$here/clouds.yaml" >"$lab/clouds.yaml"
    find "$here/conf" -type f -printf '%P\n' | while read -r template; do
        mkdir -p "$(dirname "$config/$template")"
        rendered "$here/conf/$template" >"$config/$template"
    done
}

# Octavia 11.0.0 cannot build a balancer that was posted with all its parts. With the default task flow, its worker hands
# the listeners to the engine and not to the flow, so it builds an empty balancer and leaves the parts PENDING_CREATE for
# ever; and the flow with listeners lacks a task that others have before the same step. Later releases correct both; so do
# these copies, which are laid over the packaged files inside the lab. With PONTOON_LAB_OCTAVIA=packaged they do not.
mend_octavia() {
    local file
    for file in "${octavia_mended[@]}"; do
        mkdir -p "$config/mended/$(dirname "$file")"
        cp "$octavia/$file" "$config/mended/$file"
    done
    [ "${PONTOON_LAB_OCTAVIA:-mended}" = mended ] || return 0
    (
        cd "$config/mended/controller/worker/v2" || exit
        sed -i 's/^\( *\)tf = self.tf_engine.taskflow_load($/\1store = kwargs.pop("store", None)\n&/
            s/^\( *\)func(\*args), \*\*kwargs)$/\1func(*args, **kwargs), store=store)/' controller_worker.py
        sed -i '/def _create_listeners_flow/,/return flows/ {
            s/^            amphora_driver_tasks.AmphoraePostNetworkPlug($/            network_tasks.GetAmphoraeNetworkConfigs(\
                requires=constants.LOADBALANCER_ID,\
                provides=constants.AMPHORAE_NETWORK_CONFIG))\
        flows.append(\
&/
            s/requires=(constants.LOADBALANCER, constants.UPDATED_PORTS)/requires=(constants.LOADBALANCER, constants.UPDATED_PORTS,\
                          constants.AMPHORAE_NETWORK_CONFIG)/
        }' flows/load_balancer_flows.py
        [ "$(diff -r "$octavia/controller/worker/v2" . | grep -c '^>')" = 8 ]
    ) || fail "another Octavia than the lab knows: see mend_octavia in configuration.sh"
}

rendered() {
    local text whole
    text=$(sed -e "s|@INTERNET@|$internet|g; s|@INTERNAL@|$internal|g; s|@MANAGEMENT@|$management|g" \
        -e "s|@TUNNEL@|$tunnel|g; s|@PASSWORD@|$password|g; s|@VIRTUALIZATION@|$virtualization|g" \
        -e "s|@BUS@|rabbit://guest:guest@127.0.0.1:5672/|g" \
        -e "s|@DATABASE:\([a-z0-9_]*\)@|$(database '\1')|g" \
        -e "s|@AMPHORA_NETWORK@|$(cat "$state/amphora-network" 2>/dev/null)|g" \
        -e "s|@AMPHORA_GROUP@|$(cat "$state/amphora-group" 2>/dev/null)|g" "$1")
    while [[ $text =~ @(AUTHTOKEN|AUTHSEC):([a-z]+)@ ]]; do
        whole=${BASH_REMATCH[0]}
        case ${BASH_REMATCH[1]} in
        AUTHTOKEN) text=${text//"$whole"/"$(checks_tokens_as "${BASH_REMATCH[2]}")"} ;;
        AUTHSEC) text=${text//"$whole"/"$(logs_in_as "${BASH_REMATCH[2]}")"} ;;
        esac
    done
    printf '%s\n' "$text"
}

database() { printf 'mysql+pymysql://lab:%s@localhost/%s?unix_socket=/run/mysqld/mysqld.sock' "$password" "$1"; }

logs_in_as() {
    printf '%s\n' "auth_url = http://$internal:5000" 'auth_type = password' 'project_domain_name = Default' \
        'user_domain_name = Default' 'project_name = service' "username = $1" "password = $password"
}

checks_tokens_as() {
    printf '%s\n' "www_authenticate_uri = http://$internet:5000" 'memcached_servers = 127.0.0.1:11211' \
        'service_token_roles = admin' 'region_name = RegionOne' 'interface = internal'
    logs_in_as "$1"
}

# Octavia and its amphorae believe each other by certificates of one authority of their own.
make_certificates() {
    local at=$config/octavia/certs
    [ ! -e "$at/client.pem" ] || return 0
    mkdir -p "$at"
    (
        cd "$at" || exit
        openssl genrsa -aes256 -passout "pass:$password" -out ca.key 2048
        openssl req -x509 -new -key ca.key -passin "pass:$password" -sha256 -days 3650 -subj /CN=pontoon-lab \
            -addext basicConstraints=critical,CA:TRUE -out ca.pem
        openssl genrsa -out client.key 2048
        openssl req -new -key client.key -subj /CN=octavia-controller -out client.csr
        printf 'extendedKeyUsage=clientAuth,emailProtection\nkeyUsage=digitalSignature,nonRepudiation,keyEncipherment\n' >extensions
        openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -passin "pass:$password" -CAcreateserial \
            -days 3650 -sha256 -extfile extensions -out client.crt
        cat client.crt client.key >client.pem
    ) >"$logs/certificates.log" 2>&1
}
