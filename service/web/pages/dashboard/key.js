// The key that this tab sends, for every page of the service. It is forgotten with the tab.

const NAME = "ytdlpd key";
export const HEADER = "X-API-Key";

export const kept = () => sessionStorage.getItem(NAME);
export const keep = (key) => key ? sessionStorage.setItem(NAME, key) : sessionStorage.removeItem(NAME);
export const credentials = (key = kept()) => key ? { [HEADER]: key } : {};
