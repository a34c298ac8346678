import type { FastifyReply } from 'fastify';

/** 503 with the time after which trying again makes sense. */
export function overloaded(reply: FastifyReply): { readonly error: string } {
  reply.code(503).header('retry-after', '1');
  return { error: 'Too many pictures are under way; try again in a second' };
}
