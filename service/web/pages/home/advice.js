// What a person can do about each code.

const ADVICE = [
  ["INVALID_URL INVALID_REQUEST PAYLOAD_TOO_LARGE", "Look at what you have pasted: it has to be one whole address, from https:// on."],
  ["UNSUPPORTED_URL NO_MEDIA NOT_FOUND", "Look whether the address opens in your browser and leads to the video itself."],
  ["BLOCKED_TARGET", "This service does not reach private networks; its operator can allow some."],
  ["UNAUTHORIZED KEY_NOT_ALLOWED", "Enter another key at the top of the page, or ask the operator for one."],
  ["NO_SUCH_ENDPOINT METHOD_NOT_ALLOWED UNSUPPORTED_MEDIA_TYPE", "Reload the page; the service has changed, or a proxy changes requests."],
  ["TOO_MANY_REQUESTS", "You have asked often; wait a little."],
  ["GEO_RESTRICTED", "The site shows it in other countries only; a service elsewhere can ask."],
  ["NOT_LIVE UPCOMING", "Come back when it has begun."],
  ["REMOVED", "It is gone; look for another copy."],
  ["PRIVATE AGE_RESTRICTED LOGIN_REQUIRED PAID", "An account is needed. Programs can send its cookies; this page cannot."],
  ["DRM", "It is encrypted; there is nothing to be done."],
  ["IS_A_LIST", "Ask for the sizes of its entries, each of which counts as a request, or paste the address of one."],
  ["FORMAT_NOT_AVAILABLE NO_DIRECT_URL NO_SUBTITLES", "Ask for something else of this video."],
  ["BOT_CHECK RATE_LIMITED FORBIDDEN IMPERSONATION_NEEDED", "The site turns this service away; asking again at once makes it worse. Come back later."],
  ["UPSTREAM_ERROR UPSTREAM_TIMEOUT UPSTREAM_NETWORK DEADLINE CIRCUIT_OPEN", "The site has trouble; try again later."],
  ["DNS", "Look at the spelling of the site's name; if it is right, try again later."],
  ["EXTRACTOR_BROKEN", "The site has changed and yt-dlp needs an update; tell the operator."],
  ["PROXY INTERNAL", "Tell the operator, with the request's number below."],
  ["RESULT_TOO_LARGE BUDGET_EXCEEDED WORKER_CRASHED QUARANTINED", "This page is too much for the service; paste the address of a single video."],
  ["QUEUE_FULL STARTING SHUTTING_DOWN", "The service is busy; try again in a moment."],
];

export function advice(code) {
  return ADVICE.find(([codes]) => codes.split(" ").includes(code))?.[1] ?? "Try again later.";
}
