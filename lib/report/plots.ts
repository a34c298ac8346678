/** What reports draw with, in one file of its own: a quarter of a megabyte that only those who draw load. */
export { cell, dot, line, link, plot, rectY, ruleX, ruleY, text } from '@observablehq/plot';
