FROM node:22-alpine AS build
WORKDIR /app
RUN npm install neonsense sharp && npm cache clean --force
RUN find node_modules/neonsense/prebuilds -mindepth 1 -maxdepth 1 ! -name "linux-$(node -p process.arch)" -exec rm -r {} +
COPY label.mjs .

FROM node:22-alpine
WORKDIR /app
COPY --from=build /app .
USER node
ENTRYPOINT ["node", "label.mjs"]
