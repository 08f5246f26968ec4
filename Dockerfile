# Farrier as an image: the host and its plugins, and nothing that could be used against them.
#
#   docker build -t farrier .
#   docker build -t farrier --build-arg BUILDER=… --build-arg BASE=… .     # mirrors, or a base of your own
#
# The last stage runs no command, so it builds anywhere, and holds four things: the program, the plugins, two empty folders.
# With a program that is built already, name its folder as the stage `build` and the compiler is left out:
#
#   buildah bud --build-context build=FOLDER --build-arg BASE=… .          # FOLDER/out/usr/bin/farrier, …
#
# docs/guides/docker.md says how to run it; tests/e2e/tests/container.rs builds and runs it.

# Debian with rustup; rust-toolchain.toml names the compiler, whatever version this brings.
ARG BUILDER=docker.io/library/rust:1.95-bookworm
# Any base with glibc of the builder's age or newer, and libgcc.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release --package farrier --bin farrier && cargo xtask plugins
RUN mkdir -p /out/usr/bin /out/usr/lib/farrier/plugins /out/state /out/spool \
 && install -m 0755 target/release/farrier /out/usr/bin/farrier \
 && install -m 0644 target/plugins/*.wasm /out/usr/lib/farrier/plugins/

FROM ${BASE}
LABEL org.opencontainers.image.title="farrier" \
      org.opencontainers.image.description="Provisions bare-metal servers from their first DHCP lease to a tenant" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/usr /usr
COPY --from=build --chown=10001:10001 /out/state /var/lib/farrier
COPY --from=build --chown=10001:10001 /out/spool /var/spool/farrier
# Nobody's name is needed: a number works with any base, and Kubernetes can check it.
USER 10001:10001
# `plugin call` keeps compiled plugins beside the state, as there is no home folder.
ENV XDG_CACHE_HOME=/var/lib/farrier/cache
VOLUME ["/var/lib/farrier", "/var/spool/farrier"]
# Callbacks and iPXE, where `http.listen` says so.
EXPOSE 8080
# SIGTERM drains: no new work, attempts under way get `lifecycle.grace_ms` (15 s). Give it 30 s: docker's own default is 10.
STOPSIGNAL SIGTERM
# The host answers on its socket, and the store answers the host.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["/usr/bin/farrier", "bus", "status"]
ENTRYPOINT ["/usr/bin/farrier"]
CMD ["serve"]
