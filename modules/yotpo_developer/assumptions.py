"""What this app takes for true of the App Developer API, and the vendor was not seen to say."""

from __future__ import annotations

from engine import Assumption

_ONE_READ = "one customer read from a real account"

_ONE_INSTALLATION = "one installation of an app in a real shop, up to its first request"

ASSUMPTIONS = (
    Assumption(
        about="life of a token",
        assumed="A token that an installation gave has no end of its own, and none to renew it comes with it.",
        changed_by="modules.yotpo_developer.connection:TOKEN_LIFETIME",
        settled_by=_ONE_INSTALLATION,
        mark="unknown",
        source="a public integration that exchanges a code, and was not seen to renew anything",
        shown_by=("an exchange answers an access token without end and without a refresh token",),
    ),
    Assumption(
        about="way back from an installation",
        assumed="The browser comes back with code and state, or error; exchanges are refused as RFC 6749 says.",
        changed_by="modules.yotpo_developer.connection:CONNECTION",
        settled_by=_ONE_INSTALLATION,
        mark="inferred",
        source="the exchange names a code and a redirect address, as the standard has them",
        shown_by=(
            "who opens the page agrees, and is sent to the registered address with code and state",
            "a code is good once and for 60 seconds; a bad one is answered 400 invalid_grant",
            "a wrong client or secret is answered 401 invalid_client, another body 400 invalid_request",
        ),
    ),
    Assumption(
        about="place of the attributes",
        assumed="A customer's attributes stand at the top of the answer.",
        changed_by="customer_at",
        settled_by=_ONE_READ,
        mark="inferred",
        source="the vendor's page lists the attributes; what is around them was not readable",
        shown_by=("the attributes stand at the top of the answer, with null where there is nothing to tell",),
    ),
    Assumption(
        about="types of the attributes",
        assumed="Counts are whole numbers, averages numbers, topics a list of texts; any can be null or missing.",
        changed_by="modules.yotpo_developer.customers:ATTRIBUTES",
        settled_by=_ONE_READ,
        mark="inferred",
        source="what the vendor's page says that each tells",
        shown_by=("types of the attributes; sentiments lie between -1 and 1",),
    ),
    Assumption(
        about="an unknown customer",
        assumed="A customer who is not known is answered 404, or null in the customer's place.",
        changed_by="modules.yotpo_developer.customers:retrieve",
        settled_by="one look-up of somebody unknown in a real account",
        mark="inferred",
        source="a newer version of this API on the same host, by another program's templates",
        shown_by=("an unknown customer is answered 404", "e-mail addresses are compared without regard to case"),
    ),
    Assumption(
        about="refusals of a look-up",
        assumed="A bad token is answered 401 or 403, a look-up without e-mail 400. No module reads what they say.",
        changed_by="modules.yotpo_developer.connection:CONNECTION",
        settled_by="a look-up with a wrong token, and one without e-mail, in a real account",
        mark="unknown",
        source="the vendor's pages",
        shown_by=(
            "a missing or wrong token, or an account that is not known, is answered 401",
            "a missing customer_email, or a parameter that is not documented, is answered 400",
        ),
    ),
)
