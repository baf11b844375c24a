"""The product's markets, under the name that some tests still have for them."""

from marketfeed.exchanges.catalogue import MARKETS as MARKETS
