/**
 * The packages that serving rests on, in one place: the build makes one file of them, which the command line and the
 * library share. A megabyte twice would not fit into the package.
 */
export { default as multipart } from '@fastify/multipart';
export { fastify } from 'fastify';
export { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/**
 * For Fastify's option `schemaController`: routes have no JSON schemas, since what they get is checked by our own. What
 * compiles schemas is a third of all that Fastify brings, and is neither loaded nor bundled.
 */
export const withoutSchemas = { compilersFactory: { buildValidator: refuse, buildSerializer: refuse } };

function refuse(): never {
  throw new Error('A route has a schema, and the compilers of schemas are left out');
}
