# shellcheck shell=bash
# shellcheck disable=SC2154  # the values are those of names.sh
# What the lab hands to its guests: a container image, a key, and a website to clone. Sourced by up.sh.

# The container image of the LXD lab, told that what the examples clone from GitHub is found on the lab's own git
# server. So the examples stay as they are.
make_container_image() {
    local plain ours work
    plain=$("$here/../lxd/images.sh" | tail -1)
    ours=$images/openstack-$(basename "$plain")
    if [ ! -e "$ours" ]; then
        work=$(mktemp -d "$images/build.XXXXXX")
        mkdir -p "$work/rootfs/etc"
        printf '[url "git://%s/"]\n\tinsteadOf = https://github.com/\n' "$internet" >"$work/rootfs/etc/gitconfig"
        zstd -q -d "$plain" -o "$work/image.tar"
        tar --append --owner=0 --group=0 -C "$work" -f "$work/image.tar" rootfs/etc/gitconfig
        zstd -q -3 -T0 "$work/image.tar" -o "$work/image.tar.zst"
        mv "$work/image.tar.zst" "$ours"
        rm -r "$work"
        say "container image: $(du -m "$ours" | cut -f1) MiB"
    fi
    # Where the overlays of the examples find it.
    mkdir -p "$here/../../target/lab"
    ln -sfn "$ours" "$here/../../target/lab/container.tar.zst"
}

# Opens the hosts. An agent inside the lab holds it, so that clients need not be told where it is.
make_key() {
    [ -e "$state/id_lab" ] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$state/id_lab"
}

# The website of examples/blog with its theme, under the names that they have on GitHub.
make_git_repositories() {
    local at=$state/git work
    [ ! -d "$at" ] || return 0
    work=$(mktemp -d "$state/git.XXXXXX")
    commit_all "$here/site/theme" "$work/theme"
    mkdir -p "$work/served/pontoon-lab" "$work/served/mattj-io"
    git_in "$work" clone -q --bare "$work/theme" "$work/served/pontoon-lab/plain.git"
    commit_all "$here/site/blog" "$work/blog"
    git_in "$work/blog" -c "url.$work/served/.insteadOf=https://github.com/" -c protocol.file.allow=always \
        submodule --quiet add https://github.com/pontoon-lab/plain.git themes/plain
    git_in "$work/blog" commit -q -m 'With its theme'
    git_in "$work" clone -q --bare "$work/blog" "$work/served/mattj-io/blog.git"
    mv "$work/served" "$at"
    rm -rf "$work"
}

commit_all() {
    cp -r "$1" "$2"
    git_in "$2" init -q -b main
    git_in "$2" add --all
    git_in "$2" commit -q -m 'As it is in the lab'
}

# git with nobody's own configuration.
git_in() {
    local directory=$1
    shift
    env -i PATH=/usr/bin:/bin HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=lab GIT_AUTHOR_EMAIL=lab@example.org \
        GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@example.org git -C "$directory" "$@"
}
