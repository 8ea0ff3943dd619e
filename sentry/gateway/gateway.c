/* placeholder */ typedef int gateway_empty;
