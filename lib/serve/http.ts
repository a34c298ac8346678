/**
 * The packages that serving rests on, in one place: the build makes one file of them, which the command line and the
 * library share. A megabyte twice would not fit into the package.
 */
export { default as multipart } from '@fastify/multipart';
export { fastify } from 'fastify';
export { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
