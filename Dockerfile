# Truetrail in a container: Node and the built service, nothing to build with, no PostgreSQL. See docs/installation.md.
#
# The base image is of one release of Node. Its Debian still gets fixes under the same tag, so a pipeline pins it by digest:
#   --build-arg NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim@sha256:...
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim

# The packages of package-lock.json, of which the compiler is an optional one. No script of a package is run.
FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts

FROM packages AS build
COPY scripts ./scripts
COPY migrations ./migrations
COPY src ./src
RUN node --input-type=module -e "import { ensureBuilt } from '/app/scripts/build.mjs'; ensureBuilt()" \
  # whatever the rights of the files were here
  && chmod -R u=rwX,go=rX dist

# What runs: without the packages for development and the embedded PostgreSQL, and without TypeScript and source maps of packages, which nothing
# reads: a quarter of their size.
FROM packages AS production
RUN npm prune --omit=dev --omit=optional --ignore-scripts --offline \
  && find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' \) -delete \
  && find node_modules -type d -empty -delete
# The bill of materials, held against what is there.
COPY scripts/sbom.mjs ./scripts/
RUN node scripts/sbom.mjs --installed . sbom.cdx.json && chmod 0644 sbom.cdx.json

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="Truetrail" \
  org.opencontainers.image.description="The audit trail of a trading firm: append-only, hash-chained, provable" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.source="${SOURCE}" \
  org.opencontainers.image.licenses="LicenseRef-UNLICENSED" \
  org.cyclonedx.sbom="/app/sbom.cdx.json"
# The package managers of the base are for building. The user has no name, no shell and no home of its own.
RUN rm -rf /usr/local/lib/node_modules /usr/local/include /opt/yarn-* \
  /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg \
  && ln -s /app/scripts/truetrail.mjs /usr/local/bin/truetrail \
  && ln -s /app/scripts/truetrail-verify.mjs /usr/local/bin/truetrail-verify \
  && install -d -m 0700 -o 10001 -g 10001 /var/lib/truetrail
WORKDIR /app
COPY --chmod=0644 package.json ./
COPY --from=production /app/node_modules ./node_modules
COPY --from=production /app/sbom.cdx.json ./
COPY --chmod=0755 scripts/start.mjs scripts/truetrail.mjs scripts/truetrail-verify.mjs scripts/build.mjs scripts/install.mjs \
  scripts/process-one.mjs scripts/healthcheck.mjs ./scripts/
COPY --from=build /app/dist ./dist
ENV NODE_ENV=production \
  HOST=0.0.0.0 \
  DATA_DIR=/var/lib/truetrail \
  HOME=/var/lib/truetrail
# All else may be read-only; /tmp must be writable as well.
VOLUME /var/lib/truetrail
USER 10001:10001
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["node", "/app/scripts/healthcheck.mjs"]
# Process 1 is Node itself. `truetrail COMMAND` instead runs the command line of the same release.
ENTRYPOINT []
CMD ["node", "/app/scripts/start.mjs"]
