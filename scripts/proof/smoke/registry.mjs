// A package registry with one package in it. neonsense has no dependencies, so none is asked for anything else.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

/**
 * @param {object} manifest The package.json of what is served.
 * @param {string} tarball
 * @returns {Promise<{ url: string, foreign: string[], close: () => void }>} foreign: what else was asked for
 */
export async function serveRegistry(manifest, tarball) {
  const content = readFileSync(tarball);
  const hash = (algorithm, encoding) => createHash(algorithm).update(content).digest(encoding);
  const foreign = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    const { address, port } = server.address();
    const file = `/${manifest.name}/-/${manifest.name}-${manifest.version}.tgz`;
    if (path === file) {
      response.setHeader('content-type', 'application/octet-stream').end(content);
    } else if (path === `/${manifest.name}`) {
      const version = {
        ...manifest,
        _id: `${manifest.name}@${manifest.version}`,
        dist: {
          tarball: `http://${address}:${port}${file}`,
          shasum: hash('sha1', 'hex'),
          integrity: `sha512-${hash('sha512', 'base64')}`,
        },
      };
      const published = '2020-01-01T00:00:00.000Z';
      response.setHeader('content-type', 'application/json').end(
        JSON.stringify({
          _id: manifest.name,
          name: manifest.name,
          'dist-tags': { latest: manifest.version },
          versions: { [manifest.version]: version },
          // Long ago, or managers that wait some days before they trust a release would not take it.
          time: { created: published, modified: published, [manifest.version]: published },
        }),
      );
    } else {
      foreign.push(path);
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}');
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { address, port } = server.address();
  return { url: `http://${address}:${port}/`, foreign, close: () => server.close() };
}
